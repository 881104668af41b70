"""The structured report: TID 1500 Measurement Report (PS3.16) of one film."""

from __future__ import annotations

from enum import StrEnum

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from pneumoscore.marks import program_mark
from pneumoscore.pacs.identity import (
    CODING_SCHEME,
    CODING_SCHEME_UID,
    DEVICE_UID,
    MANUFACTURER,
    PRODUCT,
    software_version,
)
from pneumoscore.pacs.objects import codes as ours
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport, Refusal, unusual
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["ReportClass", "report_dataset"]

_SERIES_NUMBER = 9001
_DECIMALS = 4


class ReportClass(StrEnum):
    """SOP classes of the report; the content is the same."""

    COMPREHENSIVE_3D = "comprehensive-3d"
    COMPREHENSIVE = "comprehensive"
    ENHANCED = "enhanced"


_CLASSES = {
    ReportClass.COMPREHENSIVE_3D: sr.Comprehensive3DSR,
    ReportClass.COMPREHENSIVE: sr.ComprehensiveSR,
    ReportClass.ENHANCED: sr.EnhancedSR,
}


def report_dataset(
    header: FilmHeader,
    report: FilmReport,
    report_class: ReportClass = ReportClass.COMPREHENSIVE_3D,
) -> Dataset:
    """Return the structured report of one film: complete, unverified, preliminary.

    TID 1500 with one group of TID 1501 for both lungs: each scale's score and the ends of its
    interval, their nominal coverage, and the quality flags as qualitative evaluations; and one
    group each for the right and the left lung. A refused film has one group that says so, and
    which flags refused it.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        What is said of it.
    report_class : ReportClass
        Which SOP class.

    Returns
    -------
    pydicom.Dataset
        Without patient data until `FilmHeader.put_on` has copied them.
    """
    reference = header.reference()
    source, terms = header.sop_instance_uid, unusual(report_class=report_class)
    root = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_device()),
        procedure_reported=ours.CHEST_FILM,
        imaging_measurements=_groups(header, report),
        title=codes.DCM.ImagingMeasurementReport,
        # The library's entry needs a spacing (TID 1603).
        referenced_images=None if header.spacing is None else [reference],
    )
    document: Dataset = _CLASSES[report_class](
        evidence=[reference],
        content=root,
        series_instance_uid=report.uid(source, "report series", *terms),
        series_number=_SERIES_NUMBER,
        series_description=f"{PRODUCT}: {RESEARCH_NOTICE.lower()}",
        sop_instance_uid=report.uid(source, "report", *terms),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=PRODUCT,
        software_versions=program_mark("report"),
        device_serial_number=report.model.sha256[:12],
        is_complete=True,
        is_final=False,
        is_verified=False,
        performed_procedure_codes=[ours.CHEST_FILM],
        coding_schemes=[_scheme()],
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    return document


def _device() -> sr.ObserverContext:
    return sr.ObserverContext(
        codes.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(
            uid=DEVICE_UID,
            name=PRODUCT,
            manufacturer_name=MANUFACTURER,
            model_name=PRODUCT,
            serial_number=software_version(),
        ),
    )


def _scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(
        designator=CODING_SCHEME,
        name="PneumoScore scales and flags",
        responsible_organization=MANUFACTURER,
        uid=CODING_SCHEME_UID,
        external_id=None,
    )


def _algorithm(report: FilmReport) -> sr.AlgorithmIdentification:
    """TID 4019: name, version, weights and preparation."""
    model = report.model
    return sr.AlgorithmIdentification(
        name=f"{PRODUCT} {model.name}",
        version=model.version,
        family=ours.ARTIFICIAL_INTELLIGENCE,
        manufacturer=MANUFACTURER,
        parameters=[
            f"model sha256 {model.sha256}",
            f"backbone {model.backbone}",
            f"preparation {report.preparation}",
            f"software {PRODUCT} {software_version()}",
            RESEARCH_NOTICE,
        ],
    )


def _groups(
    header: FilmHeader, report: FilmReport
) -> list[sr.MeasurementsAndQualitativeEvaluations]:
    outcome = report.outcome
    if isinstance(outcome, Refusal):
        return [_group(header, report, ours.BOTH, [], _evaluations(report))]
    both = [number for part in outcome.scales for number in _with_interval(part)]
    if report.level is not None:
        both.append(_measured(ours.INTERVAL_LEVEL, 100 * report.level, codes.UCUM.Percent))
    groups = [_group(header, report, ours.BOTH, both, _evaluations(report))]
    for side, name in ((ours.RIGHT, "right"), (ours.LEFT, "left")):
        parts = [
            _measured(ours.scale_code(part.scale), getattr(part, name))
            for part in outcome.scales
            if getattr(part, name) is not None
        ]
        if parts:
            groups.append(_group(header, report, side, parts, []))
    return groups


def _with_interval(part: ScaleScore) -> list[sr.Measurement]:
    numbers = [_measured(ours.scale_code(part.scale), part.value)]
    for end in ("low", "high"):
        value = getattr(part, end)
        if value is not None:
            numbers.append(_measured(ours.end_code(part.scale, end), value))
    return numbers


def _measured(name: Code, value: float, unit: Code | None = None) -> sr.Measurement:
    return sr.Measurement(
        name=name,
        value=round(float(value), _DECIMALS) + 0.0,
        unit=codes.UCUM.NoUnits if unit is None else unit,
    )


def _evaluations(report: FilmReport) -> list[sr.QualitativeEvaluation]:
    result = ours.NO_SCORE if isinstance(report.outcome, Refusal) else ours.SCORED
    return [
        sr.QualitativeEvaluation(ours.RESULT, result),
        *(
            sr.QualitativeEvaluation(ours.QUALITY_FLAG, ours.flag_code(flag))
            for flag in report.flags
        ),
    ]


def _group(
    header: FilmHeader,
    report: FilmReport,
    side: Code,
    measurements: list[sr.Measurement],
    evaluations: list[sr.QualitativeEvaluation],
) -> sr.MeasurementsAndQualitativeEvaluations:
    """TID 1501 for one side."""
    source = header.sop_instance_uid
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=report.uid(source, f"tracking {side.meaning}"),
            identifier=f"Lungs: {side.meaning.lower()}",
        ),
        finding_type=ours.ABNORMAL_OPACITY,
        finding_sites=[sr.FindingSite(ours.LUNG, laterality=side)],
        algorithm_id=_algorithm(report),
        measurements=measurements or None,
        qualitative_evaluations=evaluations or None,
        source_images=[sr.SourceImageForMeasurementGroup(header.sop_class_uid, source)],
    )
