"""The table of PS3.15 E.1-1, and what each of its actions does to a value.

The table is dicom-anonymizer's copy of the standard's edition 2026c; that package itself looks
at the top level of a data set alone, so the actions are carried out here, at every level.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from pydicom.dataelem import DataElement
from pydicom.uid import UID

from pneumoscore.pacs.deidentify.key import Key

__all__ = ["Action", "action_for", "dummy_for", "shifted", "stands_for"]

_EDITION = "dicomfields_2026c"
_STANDARD_ROOT = "1.2.840.10008."
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(.*)", re.ASCII | re.DOTALL)
_CURVES, _OVERLAYS = 0x5000, 0x6000
_TRAILING_PADDING = 0xFFFCFFFC
_NUMBERS = ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD")
# Private elements aside, what has a date or time is shifted (option 113107), except the birth.
_TEMPORAL = ("DA", "DT", "TM")
_BIRTH = (0x00100030, 0x00100032, 0x00100033, 0x00100034)


class Action(StrEnum):
    """What is done to an element (PS3.15 E.1.1)."""

    KEEP = "kept"
    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "replaced"
    UID = "UID replaced"
    SHIFT = "shifted"
    KEY = "keyed"


@cache
def _table() -> dict[int, str]:
    from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector

    categories = dicom_anonymization_database_selector(_EDITION)
    return {
        tag[0] << 16 | tag[1]: name
        for name, tags in categories.items()
        if name != "ALL_TAGS"
        for tag in tags
        if len(tag) == 2
    }


# Where the standard leaves the choice to the type of the element, what is valid for every type.
_ACTIONS = {
    "D_TAGS": Action.DUMMY,
    "Z_TAGS": Action.EMPTY,
    "X_TAGS": Action.REMOVE,
    "U_TAGS": Action.UID,
    "Z_D_TAGS": Action.DUMMY,
    "X_Z_TAGS": Action.EMPTY,
    "X_D_TAGS": Action.DUMMY,
    "X_Z_D_TAGS": Action.DUMMY,
    "X_Z_U_STAR_TAGS": Action.KEEP,
}
_KEYED = {0x00100010, 0x00100020, 0x00080050, 0x00200010}


def action_for(element: DataElement) -> Action:
    """Return what the profile does to an element.

    With the option "Retain Longitudinal Temporal Information With Modified Dates" (113107): dates
    move, times of day stay. Names, patient ids, accession numbers and study ids become
    pseudonyms of the key. A kept sequence is one whose items are to be looked at.
    """
    tag = element.tag
    group = tag.group & 0xFF00
    if tag.is_private or group in (_CURVES, _OVERLAYS) or int(tag) == _TRAILING_PADDING:
        return Action.REMOVE
    if element.keyword == "":
        # What the dictionary does not know, nobody can judge.
        return Action.REMOVE
    if int(tag) in _KEYED:
        return Action.KEY
    if element.VR in _TEMPORAL and int(tag) not in _BIRTH:
        return Action.SHIFT
    listed = _table().get(int(tag))
    if listed is not None:
        action = _ACTIONS[listed]
        return _of_sequence(element) if action is Action.DUMMY and element.VR == "SQ" else action
    if element.VR == "UI":
        return Action.UID
    return Action.REMOVE if element.VR == "UN" else Action.KEEP


def _of_sequence(element: DataElement) -> Action:
    """Return what is done to a sequence that is to be replaced.

    No image needs one: PS3.3 lets all that the table names be absent from films. References alone
    say nothing but UIDs, which are replaced one by one.
    """
    references = all(part.VR == "UI" for item in element.value or [] for part in item)
    return Action.KEEP if references else Action.REMOVE


def stands_for(key: Key, uid: str) -> str:
    """Return the UID that stands for one; the standard's own stay, as they name no object.

    Examples
    --------
    >>> stands_for(Key(bytes(32)), "1.2.840.10008.1.2.1")
    '1.2.840.10008.1.2.1'
    """
    return uid if not uid or uid.startswith(_STANDARD_ROOT) else UID(key.uid(uid))


def dummy_for(vr: str) -> object:
    """Return a value that is valid for a value representation and says nothing."""
    if vr in _NUMBERS:
        return 0
    if vr == "AS":
        return "000D"
    if vr in ("OB", "OW", "UN"):
        return b"\0\0"
    return "REMOVED"


def shifted(text: str, days: int) -> str:
    """Return a date (DA or DT) moved back by days; empty where it is no date.

    Examples
    --------
    >>> shifted("20260301", 1), shifted("20240301101530.5+0100", 366), shifted("soon", 3)
    ('20260228', '20230301101530.5+0100', '')
    """
    match = _DATE.fullmatch(text.strip("\0 "))
    if match is None:
        return ""
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{day:%Y%m%d}".zfill(8) + match[4]
