"""The secondary capture: what any viewer shows (PS3.3 A.8.1)."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from pneumoscore.marks import program_mark
from pneumoscore.pacs.identity import MANUFACTURER, PRODUCT
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport, Refusal, unusual
from pneumoscore.present.film_picture import capture_image
from pneumoscore.present.film_view import Film
from pneumoscore.radiograph.orientation import upright_orientation
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["capture_dataset"]

_SERIES_NUMBER = 9002


def capture_dataset(header: FilmHeader, report: FilmReport, film: Film, scale_name: str) -> Dataset:
    """Return film and contribution map side by side, with the scores and the notice burned in.

    Parameters
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        With a score.
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        Pixels of the film that was scored, or of a smaller copy of it.
    scale_name : str
        Whose map is drawn.

    Returns
    -------
    pydicom.Dataset
        8-bit RGB, explicit VR little endian; without patient data until `FilmHeader.put_on` has
        copied them.

    Raises
    ------
    ValueError
        If the film was refused: there is nothing to draw.
    """
    score = report.outcome
    if isinstance(score, Refusal):
        raise ValueError("a refused film has no map")
    reference = header.reference()
    source_uid, terms = header.sop_instance_uid, unusual(scale=scale_name)
    # The picture is of the film as the reader turned it.
    shown = None if header.orientation is None else upright_orientation(header.orientation)
    picture = np.asarray(capture_image(film, score, scale_name).convert("RGB"))
    image: Dataset = SCImage.from_ref_dataset(
        reference,
        picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=report.uid(source_uid, "capture series", *terms),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=report.uid(source_uid, "capture", *terms),
        instance_number=1,
        manufacturer=MANUFACTURER,
        patient_orientation=reference.PatientOrientation,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        manufacturer_model_name=PRODUCT,
        software_versions=program_mark("capture"),
        device_serial_number=report.model.sha256[:12],
        series_description=f"{PRODUCT}: {RESEARCH_NOTICE.lower()}",
    )
    image.PatientOrientation = list(shown or ())
    # dicom3tools asks for a laterality of every unpaired part that is not named.
    image.BodyPartExamined = "CHEST"
    image.ConversionType = "WSD"
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.BurnedInAnnotation = "YES"
    image.RecognizableVisualFeatures = "NO"
    image.DerivationDescription = (
        f"Film beside its contribution map to {score[scale_name].scale.title.lower()}, with scores "
        f"by model {report.model.name} {report.model.version}, {report.model.sha256[:12]}. "
        f"{RESEARCH_NOTICE}"
    )
    source = Dataset()
    source.ReferencedSOPClassUID = header.sop_class_uid
    source.ReferencedSOPInstanceUID = header.sop_instance_uid
    image.SourceImageSequence = [source]
    return image
