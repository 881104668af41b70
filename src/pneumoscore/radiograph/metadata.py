"""What a DICOM file says of patient, study, view, times and spacing; never fails."""

from __future__ import annotations

import math
import re
from datetime import date

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.orientation import stated_orientation
from pneumoscore.radiograph.times import Moment, calendar_day, film_moment
from pneumoscore.radiograph.types import RadiographMetadata

__all__ = ["age_in_years", "read_metadata"]

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_FIRST_BIRTH = 1800
_OLDEST_DAYS = 130 * 365
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
    moment = film_moment(elements)
    born = calendar_day(elements.text(0x00100030), _FIRST_BIRTH)
    return RadiographMetadata(
        patient_id=elements.identifier(0x00100020),
        patient_id_issuer=_issuer(elements),
        patient_sex=elements.text(0x00100040),
        patient_birth_date=born,
        patient_age_years=_age(elements, born, moment),
        accession_number=elements.identifier(0x00080050),
        study_instance_uid=elements.identifier(0x0020000D),
        series_instance_uid=elements.identifier(0x0020000E),
        sop_instance_uid=elements.identifier(0x00080018),
        sop_class_uid=elements.identifier(0x00080016),
        study_description=elements.text(0x00081030),
        modality=elements.text(0x00080060),
        view=_view(elements),
        laterality=elements.text(0x00200062),
        body_part=_body_part(elements),
        patient_orientation=stated_orientation(elements.texts(0x00200020)),
        acquired_at=moment.at if moment else None,
        acquired_by=moment.by if moment else None,
        utc_offset_minutes=moment.utc_offset_minutes if moment else None,
        pixel_spacing_mm=_finite(_spacing(elements)),
        manufacturer=elements.text(0x00080070),
    )


def _issuer(elements: Elements) -> str | None:
    """Return who issued the patient's identifier (PS3.3 C.7.1.1, table 10-18)."""
    stated = elements.identifier(0x00100021)
    if stated:
        return stated
    try:
        qualifiers = elements.items(0x00100024)
    except UnreadableFileError:
        return None
    return qualifiers[0].identifier(0x00400032) if qualifiers else None


def _age(elements: Elements, born: date | None, moment: Moment | None) -> float | None:
    """Return the stated age, else that between birth and film."""
    stated = age_in_years(elements.text(0x00101010) or "")
    if stated is not None or born is None or moment is None:
        return stated
    days = (moment.at.date() - born).days
    return days / 365.25 if 0 <= days < _OLDEST_DAYS else None


def _body_part(elements: Elements) -> str | None:
    """Return Body Part Examined, else what Anatomic Region Sequence calls it."""
    stated = elements.text(0x00180015)
    if stated is None:
        try:
            items = elements.items(0x00082218)
        except UnreadableFileError:
            return None
        stated = items[0].text(0x00080104) if items else None
    return stated.upper()[:64] if stated else None


def _finite(spacing: tuple[float, float] | None) -> tuple[float, float] | None:
    return spacing if spacing is not None and all(map(math.isfinite, spacing)) else None
