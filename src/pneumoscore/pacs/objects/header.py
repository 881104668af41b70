"""A film's header: what a result copies from it, and what it refers to.

highdicom raises on ordinary films: on missing type 2 attributes, on ISO 2022 character sets, on
a birth date of four digits. It is therefore shown a clean reference that names the image and the
study and nobody; what the film says of patient and study is copied onto the finished object, as
the film says it, in UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from unicodedata import category

from pydicom import config, dcmread
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from pneumoscore.errors import UnreadableFileError
from pneumoscore.pacs.errors import HeaderError
from pneumoscore.pacs.identity import is_uid
from pneumoscore.radiograph.charset import codecs_of, decoded
from pneumoscore.radiograph.guard import translated
from pneumoscore.radiograph.orientation import stated_orientation

__all__ = ["FilmHeader", "film_header", "read_header", "without_controls"]

# Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2).
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_OPTIONAL = (
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "PatientBirthTime",
    "OtherPatientIDs",
    "OtherPatientNames",
    "EthnicGroup",
    "PatientComments",
    "ResponsiblePerson",
    "PatientSpeciesDescription",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
)
_SEQUENCES = (
    "IssuerOfPatientIDQualifiersSequence",
    "IssuerOfAccessionNumberSequence",
    "OtherPatientIDsSequence",
    "ReferencedStudySequence",
)
_DATE = re.compile(r"\d{8}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?", re.ASCII)
_AGE = re.compile(r"\d{3}[DWMY]", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,10}(\.\d{0,10})?", re.ASCII)
_LONGEST_DECIMAL = 16
_SEXES = ("M", "F", "O")
# Without a letter of it, each may name somebody else.
_IDENTIFYING = ("PatientID", "IssuerOfPatientID", "AccessionNumber")


@dataclass(frozen=True, slots=True, eq=False)
class FilmHeader:
    """What a result needs of its film's header.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid : str
        Of the film.
    modality : str
        Of the film; ``"DX"`` where it says nothing.
    rows, columns : int
        Of the stored image.
    orientation : tuple of str or None
        Patient Orientation (0020,0020) of the stored image; None where it says nothing.
    spacing : tuple of str or None
        Row and column spacing at the detector, else in the patient, as the file writes it.
    copied : tuple of DataElement
        Patient, study and patient study modules, to be set on a result as they are.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    rows: int
    columns: int
    orientation: tuple[str, str] | None
    spacing: tuple[str, str] | None
    copied: tuple[DataElement, ...]

    def reference(self) -> Dataset:
        """Return a data set that names the image and its study, and no patient."""
        out = Dataset()
        out.SpecificCharacterSet = "ISO_IR 192"
        for keyword in _TYPE_2:
            setattr(out, keyword, "")
        out.SOPClassUID = self.sop_class_uid
        out.SOPInstanceUID = self.sop_instance_uid
        out.SeriesInstanceUID = self.series_instance_uid
        out.StudyInstanceUID = self.study_instance_uid
        out.Modality = "DX"
        out.Rows, out.Columns = self.rows, self.columns
        # highdicom wants one even where the film says nothing, and knows none of two letters.
        out.PatientOrientation = ["L", "F"]
        if self.spacing is not None:
            out.ImagerPixelSpacing = list(self.spacing)
        return out

    def text(self, keyword: str) -> str:
        """Return one of the copied values as text; empty where the film does not say it."""
        tag = tag_for_keyword(keyword)
        value = next((item.value for item in self.copied if item.tag == tag), None)
        if isinstance(value, MultiValue):
            return "\\".join(map(str, value))
        return "" if value is None else str(value)

    def put_on(self, result: Dataset) -> None:
        """Set what was copied on a finished object, whose text becomes UTF-8."""
        result.SpecificCharacterSet = "ISO_IR 192"
        for element in self.copied:
            result[element.tag] = element


def read_header(data: bytes) -> Dataset:
    """Return a DICOM file's data set up to its pixels.

    Raises
    ------
    UnreadableFileError
        If it is none.
    """
    with translated("DICOM header"):
        return dcmread(BytesIO(data), stop_before_pixels=True, force=True)


def film_header(dataset: Dataset) -> FilmHeader:
    """Return what a result needs of a film's header.

    Parameters
    ----------
    dataset : pydicom.Dataset
        As `read_header` gives it.

    Raises
    ------
    HeaderError
        If the film lacks one of its four UIDs, or one is malformed: nothing can refer to it; or
        if patient id, issuer or accession number holds control characters, which no result may
        hold: without them it could be another patient's.
    """
    uids = {
        keyword: _plain(dataset, keyword)
        for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    }
    for keyword, uid in uids.items():
        if not is_uid(uid):
            name = dictionary_description(keyword)
            raise HeaderError(
                f"a film {'with a malformed' if uid else 'without a'} {name}",
                "the identifiers that every archived film has",
                "send it from the archive",
            )
    orientation = [part.strip() for part in _plain(dataset, "PatientOrientation").split("\\")]
    return FilmHeader(
        sop_class_uid=uids["SOPClassUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        study_instance_uid=uids["StudyInstanceUID"],
        modality=_plain(dataset, "Modality")[:16] or "DX",
        rows=_number(dataset, "Rows"),
        columns=_number(dataset, "Columns"),
        orientation=stated_orientation(orientation),
        spacing=_spacing(dataset),
        copied=tuple(_copied(dataset)),
    )


def _spacing(dataset: Dataset) -> tuple[str, str] | None:
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        parts = [part.strip() for part in _plain(dataset, keyword).split("\\")]
        if len(parts) == 2 and all(_DECIMAL.fullmatch(it) and float(it) > 0 for it in parts):
            return parts[0][:_LONGEST_DECIMAL], parts[1][:_LONGEST_DECIMAL]
    return None


def _copied(dataset: Dataset) -> list[DataElement]:
    codecs = codecs_of(_plain(dataset, "SpecificCharacterSet").split("\\"))
    out = []
    for keyword in _TYPE_2 + _OPTIONAL:
        text = _text(dataset, keyword, codecs)
        if keyword in _IDENTIFYING and without_controls(text) != text:
            raise HeaderError(
                f"a film with control characters in its {dictionary_description(keyword)}",
                "letters, digits and signs",
                "correct it in the archive",
            )
        value = _usable(keyword, text)
        if value or keyword in _TYPE_2:
            out.append(_element(keyword, value))
    for keyword in _SEQUENCES:
        if keyword in dataset:
            try:
                with translated(keyword):
                    element = dataset[keyword]
                    if element.VR == "SQ" and element.value:
                        for item in element.value:
                            item.decode(list(codecs) or ["iso8859"])
                        out.append(element)
            except UnreadableFileError:
                continue
    return out


def without_controls(text: str, instead: str = "") -> str:
    r"""Return text with control characters (Unicode's Cc) left out or replaced.

    Wide spaces and joiners, which cannot be printed alone either, are parts of names.

    Examples
    --------
    >>> without_controls("Doe\r\nJane"), without_controls("Doe\tJane", " ")
    ('DoeJane', 'Doe Jane')
    """
    return "".join(instead if category(char) == "Cc" else char for char in text)


def _element(keyword: str, value: str) -> DataElement:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)


def _value(dataset: Dataset, keyword: str) -> bytes | str:
    """Return the bytes of an element as read, or the text of one made in memory."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    if tag not in dataset:
        return b""
    item = dataset.get_item(tag, keep_deferred=True)
    if isinstance(item, RawDataElement):
        return item.value or b""
    value = dataset[tag].value
    several = not isinstance(value, str) and hasattr(value, "__iter__") and keyword[-4:] != "Name"
    return "\\".join("" if part is None else str(part) for part in (value if several else [value]))


def _plain(dataset: Dataset, keyword: str) -> str:
    value = _value(dataset, keyword)
    return (value if isinstance(value, str) else value.decode("latin-1")).strip("\0 ")


def _number(dataset: Dataset, keyword: str) -> int:
    with translated("DICOM header"):
        return int(dataset[keyword].value)


def _text(dataset: Dataset, keyword: str, codecs: Sequence[str]) -> str:
    raw = _value(dataset, keyword)
    text = raw if isinstance(raw, str) else decoded(raw.rstrip(b"\0 "), codecs)
    return text.rstrip("\0 ")


def _usable(keyword: str, text: str) -> str:
    """Return `text`, or nothing where it is no value of its kind: archives refuse such results."""
    given, text = text, without_controls(text)
    if keyword == "OtherPatientIDs" and text != given:
        return ""
    vr = dictionary_VR(keyword)
    if keyword == "PatientSex":
        return text.strip() if text.strip() in _SEXES else ""
    if vr == "DA":
        return text if _DATE.fullmatch(text) and _is_day(text) else ""
    if vr == "TM":
        return text.strip() if _TIME.fullmatch(text.strip()) else ""
    if vr == "AS":
        return text if _AGE.fullmatch(text) else ""
    if vr == "DS":
        number = text.strip()
        return number if _DECIMAL.fullmatch(number) and len(number) <= _LONGEST_DECIMAL else ""
    return text


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True
