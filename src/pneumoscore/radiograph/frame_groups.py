"""Attributes of a frame that stand in the file's functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.elements import Elements

__all__ = ["holding", "levels"]

_PER_FRAME, _SHARED = 0x52009230, 0x52009229


def levels(elements: Elements, sequence: int) -> tuple[Elements, ...]:
    """Return where attributes of the one frame may stand, the most specific first.

    Parameters
    ----------
    elements : Elements
        The data set.
    sequence : int
        Tag of the functional group's sequence, for example Frame VOI LUT (0028,9132).

    Returns
    -------
    tuple of Elements
        The first item of the sequence in the per-frame and in the shared groups, as far as
        they are there, and the data set itself.
    """
    found: list[Elements] = []
    for groups in (_PER_FRAME, _SHARED):
        try:
            for group in elements.items(groups)[:1]:
                found += group.items(sequence)[:1]
        except UnreadableFileError:
            continue
    return (*found, elements)


def holding(elements: Elements, sequence: int, tag: int) -> Elements:
    """Return the most specific level that holds an attribute, else the data set itself."""
    return next((level for level in levels(elements, sequence) if tag in level), elements)
