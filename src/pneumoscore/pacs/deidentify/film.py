"""One film without what names its patient, and a report of what was done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from io import BytesIO

from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from pneumoscore.errors import UnsupportedImageError
from pneumoscore.pacs.deidentify.key import Key
from pneumoscore.pacs.deidentify.pixels import clear_unused_bits, mask_edges
from pneumoscore.pacs.deidentify.profile import Action, action_for, dummy_for, shifted, stands_for
from pneumoscore.pacs.identity import IMPLEMENTATION_UID
from pneumoscore.radiograph.guard import translated

__all__ = ["CAVEATS", "Deidentified", "deidentify"]

CAVEATS = (
    "Text that is part of the picture stays, but for what --mask-edges covers.",
    "A face, a ring, an implant or a rare disease may still tell who it is.",
    "Attributes outside the profile's table are kept; free text in them is not read.",
    "Whoever holds the key can link pseudonyms to patients: keep it apart from the films.",
)
"""What no program can promise."""

_METHOD = "PS3.15 Basic Profile 2026c, dates moved, keyed pseudonyms"
_CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
_NO_FILM = ("ContentSequence", "EncapsulatedDocument", "WaveformSequence")


@dataclass(frozen=True, slots=True, eq=False)
class Deidentified:
    """A film without what names its patient.

    Attributes
    ----------
    sop_instance_uid : str
        The new one.
    data : bytes
        The file.
    actions : dict of str to dict of str to int
        For each action, the attributes it was done to and how often; no values.
    burned_in : str or None
        What the film says of text in its pixels (0028,0301).
    """

    sop_instance_uid: str
    data: bytes
    actions: dict[str, dict[str, int]]
    burned_in: str | None


@dataclass(slots=True)
class _Work:
    key: Key
    patient: str
    days: int
    done: Counter[tuple[Action, str]]


def deidentify(data: bytes, key: Key, edges: float = 0.0) -> Deidentified:
    """Return a film without what names its patient.

    Parameters
    ----------
    data : bytes
        A DICOM image.
    key : Key
        Of the site.
    edges : float
        Share of rows and of columns that is blackened at each edge, 0 to 0.4.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    UnsupportedImageError
        If it is no image: a report or a document says things that no table covers.
    """
    with translated("DICOM file"):
        dataset = dcmread(BytesIO(data), force=True)
        dataset.decode()
        said = dataset.get("BurnedInAnnotation")
        if any(keyword in dataset for keyword in _NO_FILM) or "PixelData" not in dataset:
            raise UnsupportedImageError(
                "a DICOM object that is no image", "a film", "leave reports and documents out"
            )
        work = _work(dataset, key)
        if clear_unused_bits(dataset):
            work.done[Action.REMOVE, "unused bits of pixels"] += 1
        if edges > 0.0:
            mask_edges(dataset, edges)
        _clean(dataset, work)
        _declare(dataset)
        _renew_meta(dataset)
        stream = BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
    actions: dict[str, dict[str, int]] = {}
    for (action, name), count in sorted(work.done.items()):
        actions.setdefault(str(action), {})[name] = count
    return Deidentified(
        str(dataset.SOPInstanceUID), stream.getvalue(), actions, str(said) if said else None
    )


def _work(dataset: Dataset, key: Key) -> _Work:
    patient = str(dataset.get("PatientID", "") or "")
    issuer = str(dataset.get("IssuerOfPatientID", "") or "")
    # A film that names no patient is a patient of its study's own.
    identity = f"{issuer}\0{patient}" if patient else str(dataset.get("StudyInstanceUID", ""))
    return _Work(key, identity, key.days(identity), Counter())


def _clean(dataset: Dataset, work: _Work) -> None:
    """Carry out the profile on one level and on all below it."""
    for element in list(dataset):
        action = action_for(element)
        if element.VR == "SQ" and action is Action.KEEP:
            for item in element.value or []:
                _clean(item, work)
            continue
        if action is Action.KEEP:
            continue
        before = element.value
        if action is Action.REMOVE:
            del dataset[element.tag]
        else:
            value = _value(element, action, work)
            dataset[element.tag] = DataElement(
                element.tag, element.VR, value, validation_mode=config.IGNORE
            )
            if value == before:
                continue
        work.done[action, element.keyword or "private or unknown"] += 1
    if "SpecificCharacterSet" in dataset:
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _value(element: DataElement, action: Action, work: _Work) -> object:
    if element.VR == "SQ" or action is Action.EMPTY:
        return [] if element.VR == "SQ" else ""
    if action is Action.KEY:
        return _pseudonym(element, work)
    if action is Action.DUMMY:
        return dummy_for(element.VR) if element.value not in (None, "") else element.value
    if element.value in (None, "") or (action is Action.SHIFT and element.VR == "TM"):
        return element.value
    many = element.VM > 1
    texts = [str(value) for value in element.value] if many else [str(element.value)]
    if action is Action.UID:
        new = [stands_for(work.key, text) for text in texts]
    else:
        new = [shifted(text, work.days) for text in texts]
    return new if many else new[0]


def _pseudonym(element: DataElement, work: _Work) -> str:
    if element.keyword in ("PatientID", "PatientName"):
        name = f"P{work.key.name('patient', work.patient)}"
        return name if element.keyword == "PatientID" else f"{name}^"
    old = str(element.value or "")
    return work.key.name(element.keyword, old) if old else ""


def _declare(dataset: Dataset) -> None:
    """Say that it was done, and how (PS3.3 C.12.1, PS3.16 CID 7050)."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    dataset.DeidentificationMethod = _METHOD
    items = []
    for value, meaning in _CODES:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    dataset.DeidentificationMethodCodeSequence = items


def _renew_meta(dataset: Dataset) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "PNEUMOSCORE"
    dataset.file_meta = meta
    dataset.preamble = b"\0" * 128
