"""Phantoms as files: 16-bit PNG, and DICOM of a synthetic patient."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pneumoscore.files import written
from pneumoscore.marks import PHANTOM, program_mark

from .spec import Phantom

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["SyntheticPatient", "phantom_dataset", "write_phantom_dicom", "write_phantom_png"]

_NAMESPACE = uuid.UUID("6f1d0b52-3d0c-4f0e-9a55-3f8f6f2d7c11")
_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_BITS = 12


@dataclass(frozen=True, slots=True)
class SyntheticPatient:
    """A patient who does not exist, and says so.

    Attributes
    ----------
    name : str
        DICOM person name; starts with ``PHANTOM^``.
    patient_id : str
        Starts with ``PHANTOM-``.
    sex : str
        ``"M"``, ``"F"`` or ``"O"``.
    age_years : int
        0 to 120.

    Raises
    ------
    ValueError
        If the name or the identifier could be taken for a real patient's, or a value is
        out of range.
    """

    name: str = "PHANTOM^SYNTHETIC"
    patient_id: str = "PHANTOM-0001"
    sex: str = "O"
    age_years: int = 60

    def __post_init__(self) -> None:
        if not self.name.startswith("PHANTOM^"):
            raise ValueError(f"name is {self.name!r}; expected one that starts with 'PHANTOM^'")
        if not self.patient_id.startswith("PHANTOM-") or len(self.patient_id) > 64:
            raise ValueError(
                f"patient_id is {self.patient_id!r}; expected up to 64 characters that start "
                "with 'PHANTOM-'"
            )
        if self.sex not in ("M", "F", "O"):
            raise ValueError(f"sex is {self.sex!r}; expected 'M', 'F' or 'O'")
        if not 0 <= self.age_years <= 120:
            raise ValueError(f"age_years is {self.age_years}; expected 0 to 120")


def write_phantom_png(
    phantom: Phantom, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a phantom as a grey PNG of 16 bits, as a whole or not at all.

    Parameters
    ----------
    phantom : Phantom
        What `render_phantom` gave.
    path : path
        The file; its folder must exist.
    overwrite : bool
        Replace a file that is no earlier phantom; see `pneumoscore.files`.

    Raises
    ------
    OutputError
        If a file is there that is no earlier output of this program.
    OSError
        If it cannot be written.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("Software", program_mark(PHANTOM))
    levels = np.round(phantom.pixels * 65535.0).astype(np.uint16)
    with written(Path(path), overwrite=overwrite, kind=PHANTOM) as stream:
        Image.fromarray(levels).save(stream, format="PNG", compress_level=4, pnginfo=texts)


def write_phantom_dicom(
    phantom: Phantom,
    path: str | os.PathLike[str],
    patient: SyntheticPatient,
    acquired_at: datetime,
    study_number: int = 1,
    series_number: int = 1,
    *,
    overwrite: bool = False,
) -> None:
    """Write a phantom as a DICOM file, as a whole or not at all.

    Parameters
    ----------
    phantom : Phantom
        What `render_phantom` gave.
    path : path
        The file; its folder must exist.
    patient : SyntheticPatient
        Whose film it is.
    acquired_at : datetime
        Date and time of study, series, acquisition and content.
    study_number, series_number : int
        From 1; they number study and series and determine their UIDs.
    overwrite : bool
        Replace a file that is no earlier phantom; see `pneumoscore.files`.

    Raises
    ------
    OutputError
        If a file is there that is no earlier output of this program.
    OSError
        If it cannot be written.
    ValueError
        If a number is below 1.
    """
    dataset = phantom_dataset(phantom, patient, acquired_at, study_number, series_number)
    with written(Path(path), overwrite=overwrite, kind=PHANTOM) as stream:
        dataset.save_as(stream, enforce_file_format=True)


def phantom_dataset(
    phantom: Phantom,
    patient: SyntheticPatient,
    acquired_at: datetime,
    study_number: int = 1,
    series_number: int = 1,
) -> Dataset:
    """Return a phantom as a "Digital X-Ray Image Storage - For Presentation" data set.

    MONOCHROME2, 12 bits, explicit VR little endian (DICOM PS3.3 A.26). The UIDs follow from
    seed, patient, numbers and content, under the UUID root 2.25 (PS3.5 B.2): the same call
    gives the same bytes.

    Parameters
    ----------
    phantom, patient, acquired_at, study_number, series_number
        As for `write_phantom_dicom`.

    Returns
    -------
    pydicom.Dataset
        With file meta information.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    if study_number < 1 or series_number < 1:
        raise ValueError(
            f"study and series are numbered {study_number} and {series_number}; expected 1 or more"
        )
    levels = np.round(phantom.pixels * (2**_BITS - 1)).astype("<u2")
    stored = levels.tobytes()
    root = (phantom.spec.seed, patient.patient_id, study_number)
    when = acquired_at.strftime("%Y%m%d%H%M%S.%f")
    content = hashlib.sha256(stored).hexdigest()

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = _DX_FOR_PRESENTATION
    dataset.StudyInstanceUID = _uid("study", *root)
    dataset.SeriesInstanceUID = _uid("series", *root, series_number)
    dataset.SOPInstanceUID = _uid("instance", *root, series_number, when, content)
    _describe_patient(dataset, patient)
    _describe_study(dataset, acquired_at, study_number, series_number)
    _describe_equipment(dataset, phantom)
    _describe_image(dataset, phantom)
    dataset.PixelData = stored

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DX_FOR_PRESENTATION)
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(_uid("implementation"))
    meta.ImplementationVersionName = "PNEUMOSCORE"
    dataset.file_meta = meta
    return dataset


def _uid(*parts: object) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _describe_patient(dataset: Dataset, patient: SyntheticPatient) -> None:
    """Patient and Patient Study modules (PS3.3 C.7.1.1, C.7.2.2)."""
    dataset.PatientName = patient.name
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex
    dataset.PatientAge = f"{patient.age_years:03d}Y"
    dataset.PatientComments = "Synthetic phantom, no person"


def _describe_study(
    dataset: Dataset, acquired_at: datetime, study_number: int, series_number: int
) -> None:
    """General Study, General Series and DX Series modules (PS3.3 C.7.2.1, C.7.3.1, C.8.11.1)."""
    date, time = acquired_at.strftime("%Y%m%d"), acquired_at.strftime("%H%M%S")
    for level in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{level}Date", date)
        setattr(dataset, f"{level}Time", time)
    dataset.StudyID = str(study_number)
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic chest radiograph"
    dataset.SeriesNumber = series_number
    dataset.InstanceNumber = 1
    dataset.SeriesDescription = "Phantom: research use only, not for medical use"
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined = "CHEST"


def _describe_equipment(dataset: Dataset, phantom: Phantom) -> None:
    """General Equipment and DX Detector modules (PS3.3 C.7.5.1, C.8.11.4)."""
    dataset.Manufacturer = "PneumoScore phantom"
    dataset.ManufacturerModelName = "Projection phantom"
    dataset.SoftwareVersions = program_mark(PHANTOM)
    dataset.DetectorType = "DIRECT"
    dataset.DetectorConfiguration = "AREA"
    spacing = f"{phantom.pixel_spacing_mm:.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]


def _describe_image(dataset: Dataset, phantom: Phantom) -> None:
    """Image Pixel, DX Anatomy Imaged, DX Image, DX Positioning and VOI LUT modules.

    PS3.3 C.7.6.3, C.8.11.2, C.8.11.3, C.8.11.5 and C.11.2.
    """
    rows, columns = phantom.pixels.shape
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = _BITS
    dataset.HighBit = _BITS - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.RescaleIntercept = 0
    dataset.RescaleSlope = 1
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.WindowCenter = 2 ** (_BITS - 1)
    dataset.WindowWidth = 2**_BITS
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.ImageLaterality = "U"
    dataset.PatientOrientation = ["L", "F"]
    dataset.PositionerType = ""
    dataset.ViewPosition = phantom.spec.view
    view = {
        "PA": _code("272479007", "SCT", "postero-anterior"),
        "AP": _code("399348003", "SCT", "antero-posterior"),
    }[phantom.spec.view]
    view.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view]
    dataset.AnatomicRegionSequence = [_code("816094009", "SCT", "Chest")]
    dataset.AcquisitionContextSequence = []
    dataset.ImageComments = (
        f"Synthetic: geographic extent {phantom.geographic_extent} of 8, "
        f"opacity {phantom.opacity} of 6"
    )
