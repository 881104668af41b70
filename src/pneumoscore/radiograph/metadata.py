"""What a DICOM file says of patient, study, view, times and spacing; never fails."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.types import RadiographMetadata

__all__ = ["age_in_years", "read_metadata"]

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
# Dates and times (PS3.6): acquisition, content, series, study.
_MOMENTS = (
    ("acquisition", 0x00080022, 0x00080032),
    ("content", 0x00080023, 0x00080033),
    ("series", 0x00080021, 0x00080031),
    ("study", 0x00080020, 0x00080030),
)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})$")
_ACQUISITION_DATE_TIME = 0x0008002A
_SPACINGS = (0x00280030, 0x00181164, 0x00182010)
# View Code Sequence (CID 4010, SCT with the older SRT), to the terms of View Position; a
# lateral film without side counts as a left one.
_VIEWS = {
    "399348003": "AP",
    "272479007": "PA",
    "R-10206": "AP",
    "R-10214": "PA",
    "R-40888": "PA",
    "399067008": "LL",
    "R-102CD": "LL",
    "399173006": "LL",
    "399198007": "RL",
    "R-10236": "LL",
    "R-10232": "RL",
}


def age_in_years(text: str) -> float | None:
    """Return the years of an age string (PS3.5 6.2, AS), or None.

    Examples
    --------
    >>> age_in_years("018M")
    1.5
    >>> age_in_years("old") is None
    True
    """
    match = _AGE.fullmatch(text.strip().upper())
    return int(match[1]) * _YEARS[match[2]] if match else None


def _day(text: str) -> date | None:
    match = _DATE.match(text.strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def _clock(text: str) -> time | None:
    match = _TIME.match(text.strip())
    if not match:
        return None
    try:
        # A leap second (60) has no place in `time`.
        return time(
            int(match[1]),
            int(match[2] or 0),
            min(59, int(match[3] or 0)),
            int((match[4] or "").ljust(6, "0")),
        )
    except ValueError:
        return None


def _moments(elements: Elements) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the dates and times of a file, the best first, and which they are."""
    whole = elements.text(_ACQUISITION_DATE_TIME) or ""
    for number, (name, day, clock) in enumerate(_MOMENTS):
        yield name, elements.text(day), elements.text(clock)
        if number == 0:
            yield name, whole[:8], whole[8:]


def _acquired(elements: Elements) -> tuple[datetime | None, str | None]:
    """Return the best date with the best time of that day, and which time it is."""
    day = None
    for name, stated, clock in _moments(elements):
        found = _day(stated or "")
        day = day or found
        time_of_day = _clock(clock or "")
        if found is not None and found == day and time_of_day is not None:
            return datetime.combine(found, time_of_day), name
    return (None if day is None else datetime.combine(day, time())), None


def _utc_offset(elements: Elements) -> int | None:
    for tag in (_ACQUISITION_DATE_TIME, 0x00080201):
        match = _OFFSET.search((elements.text(tag) or "").strip())
        if match:
            minutes = 60 * int(match[2]) + int(match[3])
            # UTC-12 to UTC+14 (PS3.3 C.12.1.1.8).
            if -720 <= (signed := minutes if match[1] == "+" else -minutes) <= 840:
                return signed
    return None


def _spacing(elements: Elements) -> tuple[float, float] | None:
    """Return Pixel Spacing, else that at the detector, else that of the scanned film."""
    for tag in _SPACINGS:
        try:
            numbers = elements.numbers(tag, "DS")
        except UnreadableFileError:
            continue
        if len(numbers) >= 2 and all(1e-4 < number < 1e3 for number in numbers[:2]):
            return float(numbers[0]), float(numbers[1])
    return None


def _view(elements: Elements) -> str | None:
    """Return View Position, else what View Code Sequence means by it."""
    stated = elements.text(0x00185101)
    if stated:
        return stated.upper()[:16]
    try:
        items = elements.items(0x00540220)
    except UnreadableFileError:
        return None
    return next((_VIEWS.get(item.text(0x00080100) or "") for item in items[:1]), None)


def _codec(elements: Elements) -> str:
    """Return the Python codec of Specific Character Set (PS3.3 C.12.1.1.2)."""
    from pydicom.charset import python_encoding

    for term in elements.texts(0x00080005):
        codec = python_encoding.get(term)
        if codec:
            return codec
    return "latin-1"


def read_metadata(elements: Elements) -> RadiographMetadata:
    """Return what a DICOM file says of its radiograph.

    Parameters
    ----------
    elements : Elements
        The data set.

    Returns
    -------
    RadiographMetadata
        Missing and malformed values are None.
    """
    patient = _decoded_text(elements)
    age = elements.text(0x00101010)
    acquired_at, acquired_by = _acquired(elements)
    return RadiographMetadata(
        patient_id=patient(0x00100020),
        patient_sex=elements.text(0x00100040),
        patient_id_issuer=patient(0x00100021),
        patient_birth_date=_day(elements.text(0x00100030) or ""),
        patient_age_years=age_in_years(age) if age else None,
        study_instance_uid=elements.text(0x0020000D),
        series_instance_uid=elements.text(0x0020000E),
        sop_instance_uid=elements.text(0x00080018),
        sop_class_uid=elements.text(0x00080016),
        modality=elements.text(0x00080060),
        view=_view(elements),
        laterality=elements.text(0x00200062),
        acquired_at=acquired_at,
        acquired_by=acquired_by,
        utc_offset_minutes=None if acquired_at is None else _utc_offset(elements),
        pixel_spacing_mm=_finite(_spacing(elements)),
        manufacturer=patient(0x00080070),
    )


def _decoded_text(elements: Elements) -> Callable[[int], str | None]:
    """Return an accessor for text in the file's character set."""
    decoded = elements.with_codec(_codec(elements))

    def text(tag: int) -> str | None:
        try:
            return decoded.text(tag)
        except (LookupError, ValueError):
            return elements.text(tag)

    return text


def _finite(spacing: tuple[float, float] | None) -> tuple[float, float] | None:
    return spacing if spacing is not None and all(map(math.isfinite, spacing)) else None
