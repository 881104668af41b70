"""A film's result as a FHIR R4B transaction: report, observations, device, study.

Mapped as the HL7 guide "DICOM SR to FHIR Resource Mapping" does: an observation for the
measurement group with one member for each score, all derived from the imaging study. Ids follow
from film and model, and every entry is a PUT, so that sending a bundle twice changes nothing.
The patient is named by identifier alone; no Patient resource is made or changed.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from pydicom.sr.coding import Code

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pacs.identity import CODING_SCHEME_UID, MANUFACTURER, PRODUCT, software_version
from pneumoscore.pacs.objects import codes as ours
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport, Refusal
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore

__all__ = ["check_codes", "film_bundle"]

_NAMESPACE = uuid.UUID("0b6a1b7e-6a2f-4a53-9d55-6b5d0f3f7a10")
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}
_UCUM = "http://unitsofmeasure.org"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
# Required bindings of R4B that fhir.resources does not check: path, and the codes allowed.
_BOUND = {
    ("Bundle", "type"): {"transaction", "collection", "document", "batch"},
    ("DiagnosticReport", "status"): {"registered", "partial", "preliminary", "final", "amended"},
    ("Observation", "status"): {"registered", "preliminary", "final", "amended"},
    ("ImagingStudy", "status"): {"registered", "available", "cancelled"},
    ("Device", "status"): {"active", "inactive", "entered-in-error", "unknown"},
    ("deviceName", "type"): {"user-friendly-name", "manufacturer-name", "model-name", "other"},
    ("request", "method"): {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"},
    ("identifier", "use"): {"usual", "official", "temp", "secondary", "old"},
}


def film_bundle(header: FilmHeader, report: FilmReport) -> dict[str, Any]:
    """Return the bundle of one film, preliminary.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        Score or refusal.

    Raises
    ------
    PneumoScoreError
        If the bundle breaks a rule of R4B: a fault of ours.
    """
    ids = {
        name: str(uuid.uuid5(_NAMESPACE, f"{header.sop_instance_uid}/{report.model.sha256}/{name}"))
        for name in ("DiagnosticReport", "Group", "Device")
    }
    # One a film: a PUT replaces the whole resource, and a bundle knows no other film of the study.
    study = f"{header.study_instance_uid}/{header.sop_instance_uid}"
    ids["ImagingStudy"] = str(uuid.uuid5(_NAMESPACE, study))
    common = _common(header, ids)
    members = _members(report, common, header, ids)
    resources = [
        _diagnostic_report(header, report, common, ids),
        _group(report, common, ids, [item["id"] for item in members]),
        *members,
        _device(report, ids),
        _study(header, common, ids),
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}/{resource['id']}",
                },
            }
            for resource in resources
        ],
    }
    _check(bundle)
    return bundle


def _check(bundle: dict[str, Any]) -> None:
    from fhir.resources.R4B.bundle import Bundle

    try:
        Bundle.model_validate(bundle)
        check_codes(bundle)
    except ValueError as error:
        # The message of the validator quotes values.
        raise PneumoScoreError(
            f"a FHIR bundle that breaks R4B ({type(error).__name__})", "", "please report it"
        ) from None


def check_codes(resource: Any, name: str = "") -> None:
    """Raise `ValueError` if a code is not of the value set that R4B requires.

    Parameters
    ----------
    resource : mapping, list or value
        Any part of a bundle.
    name : str, optional
        Of the element that holds it.
    """
    if isinstance(resource, list):
        for item in resource:
            check_codes(item, name)
    elif isinstance(resource, dict):
        kind = resource.get("resourceType", name)
        for key, value in resource.items():
            allowed = _BOUND.get((kind, key))
            if allowed is not None and value not in allowed:
                raise ValueError(f"{kind}.{key} is {value!r}; expected one of {sorted(allowed)}")
            check_codes(value, key)


def _concept(code: Code) -> dict[str, Any]:
    system = _SYSTEMS.get(code.scheme_designator, f"urn:oid:{CODING_SCHEME_UID}")
    return {
        "coding": [{"system": system, "code": code.value, "display": code.meaning}],
        "text": code.meaning,
    }


def _reference(identifier: str) -> dict[str, str]:
    return {"reference": f"urn:uuid:{identifier}"}


def _common(header: FilmHeader, ids: dict[str, str]) -> dict[str, Any]:
    """Return what report and observations share."""
    identifier: dict[str, Any] = {"value": header.text("PatientID") or "unknown"}
    if issuer := header.text("IssuerOfPatientID"):
        identifier["assigner"] = {"display": issuer}
    common: dict[str, Any] = {
        "status": "preliminary",
        "subject": {"type": "Patient", "identifier": identifier},
    }
    if day := header.text("StudyDate"):
        common["effectiveDateTime"] = datetime.strptime(day, "%Y%m%d").date().isoformat()
    return common


def _observation(
    common: dict[str, Any], ids: dict[str, str], identifier: str, code: Code
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identifier,
        **common,
        "category": [
            {"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "imaging"}]}
        ],
        "code": _concept(code),
        "bodySite": _concept(ours.LUNG),
        "device": _reference(ids["Device"]),
        "derivedFrom": [_reference(ids["ImagingStudy"])],
        "note": [{"text": RESEARCH_NOTICE}],
    }


def _quantity(value: float, unit: str = "1") -> dict[str, Any]:
    return {"value": round(float(value), 4) + 0.0, "unit": unit, "system": _UCUM, "code": unit}


def _members(
    report: FilmReport, common: dict[str, Any], header: FilmHeader, ids: dict[str, str]
) -> list[dict[str, Any]]:
    if isinstance(report.outcome, Refusal):
        return []
    out = []
    for part in report.outcome.scales:
        name = f"{header.sop_instance_uid}/{report.model.sha256}/{part.scale.name}"
        identifier = str(uuid.uuid5(_NAMESPACE, name))
        item = _observation(common, ids, identifier, ours.scale_code(part.scale))
        item["valueQuantity"] = _quantity(part.value)
        item["referenceRange"] = [
            {
                "low": _quantity(part.scale.low),
                "high": _quantity(part.scale.high),
                "text": "ends of the scale",
            }
        ]
        components = _components(part)
        if components:
            item["component"] = components
        out.append(item)
    return out


def _components(part: ScaleScore) -> list[dict[str, Any]]:
    named: list[tuple[Code, float | None, str]] = [
        (ours.end_code(part.scale, "low"), part.low, "1"),
        (ours.end_code(part.scale, "high"), part.high, "1"),
        (ours.INTERVAL_LEVEL, None if part.low is None else 100.0 * part.level, "%"),
        (ours.RIGHT, part.right, "1"),
        (ours.LEFT, part.left, "1"),
    ]
    return [
        {"code": _concept(code), "valueQuantity": _quantity(value, unit)}
        for code, value, unit in named
        if value is not None
    ]


def _group(
    report: FilmReport, common: dict[str, Any], ids: dict[str, str], members: list[str]
) -> dict[str, Any]:
    group = _observation(common, ids, ids["Group"], ours.ABNORMAL_OPACITY)
    if members:
        group["hasMember"] = [_reference(identifier) for identifier in members]
    flags = [
        {"code": _concept(ours.QUALITY_FLAG), "valueCodeableConcept": _concept(ours.flag_code(it))}
        for it in report.flags
    ]
    if isinstance(report.outcome, Refusal):
        absent = {"system": f"{_TERMINOLOGY}/data-absent-reason", "code": "not-performed"}
        group["dataAbsentReason"] = {"coding": [absent], "text": ours.NO_SCORE.meaning}
    if flags:
        group["component"] = flags
    return group


def _diagnostic_report(
    header: FilmHeader, report: FilmReport, common: dict[str, Any], ids: dict[str, str]
) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "id": ids["DiagnosticReport"],
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{header.sop_instance_uid}"}],
        **common,
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/v2-0074", "code": "RAD"}]}],
        "code": _concept(ours.CHEST_FILM),
        "result": [_reference(ids["Group"])],
        "imagingStudy": [_reference(ids["ImagingStudy"])],
        "conclusion": f"{_conclusion(report)}. {RESEARCH_NOTICE}",
    }


def _conclusion(report: FilmReport) -> str:
    if isinstance(report.outcome, Refusal):
        return "No score: " + ", ".join(flag.replace("_", " ") for flag in report.flags)
    return "; ".join(
        f"{part.scale.title} {part.value:.1f} of {part.scale.high:g}"
        for part in report.outcome.scales
    )


def _device(report: FilmReport, ids: dict[str, str]) -> dict[str, Any]:
    model = report.model
    return {
        "resourceType": "Device",
        "id": ids["Device"],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": f"{PRODUCT} {model.name}", "type": "model-name"}],
        "version": [{"value": f"{software_version()}; model {model.version}"}],
        "property": [
            {"type": {"text": "model sha256"}, "valueCode": [{"text": model.sha256}]},
            {"type": {"text": "preparation"}, "valueCode": [{"text": report.preparation}]},
        ],
        "note": [{"text": RESEARCH_NOTICE}],
    }


def _study(header: FilmHeader, common: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": ids["ImagingStudy"],
        "status": "available",
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:{header.study_instance_uid}"}
        ],
        "subject": common["subject"],
        "series": [
            {
                "uid": header.series_instance_uid,
                "modality": {
                    "system": "http://dicom.nema.org/resources/ontology/DCM",
                    "code": header.modality,
                },
                "instance": [
                    {
                        "uid": header.sop_instance_uid,
                        "sopClass": {
                            "system": "urn:ietf:rfc:3986",
                            "code": f"urn:oid:{header.sop_class_uid}",
                        },
                    }
                ],
            }
        ],
    }
