"""Lookup tables of DICOM files: modality, VOI and palette."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.greyscale import nominal_range

__all__ = ["LookupTable", "lookup_table"]


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A modality or VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1).

    Attributes
    ----------
    first : float
        Input that the first entry stands for; lower inputs take it too.
    entries : ndarray of float64, shape (n,)
        Outputs.
    top : float
        Largest number of as many bits as the entries use.
    """

    first: float
    entries: NDArray[np.float64]
    top: float

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entry of each value; values beyond the ends take the outer entries."""
        index = np.clip(np.rint(values - self.first), 0, len(self.entries) - 1)
        return np.asarray(self.entries[index.astype(np.intp)])


def lookup_table(
    item: Elements, descriptor_tag: int, data_tag: int, inputs: tuple[float, float]
) -> LookupTable:
    """Read a LUT of a sequence item or of a palette.

    Parameters
    ----------
    item : Elements
        Holds descriptor and data.
    descriptor_tag, data_tag : int
        Their tags.
    inputs : tuple of float
        Least and greatest value that the table is asked for. The first input that a table
        states may be signed or not whatever its value representation says: that reading is
        taken which covers more of them.

    Returns
    -------
    LookupTable
        At least one entry.

    Raises
    ------
    UnreadableFileError
        If the descriptor is missing or the data are shorter than it says.
    """
    descriptor = item.numbers(descriptor_tag, "US")
    if len(descriptor) < 3:
        raise UnreadableFileError("a DICOM LUT without descriptor", "three numbers")
    # The count and the bits are unsigned whatever the value representation says.
    count = int(descriptor[0]) % 65536 or 65536
    vr, data = item.raw(data_tag)
    if len(data) >= 2 * count:
        entries = np.frombuffer(data, "<u2" if item.little else ">u2", count)
    elif len(data) >= count:
        entries = _bytes(data, vr, item.little)[:count]
    else:
        raise UnreadableFileError(
            f"a DICOM LUT of {len(data)} bytes", f"{count} entries as its descriptor says"
        )
    # Files state 16 bits for tables of 8 or 12: the entries tell.
    top = nominal_range(0.0, float(entries.max()))[1]
    return LookupTable(_first(descriptor[1], count, inputs), entries.astype(np.float64), top)


def _bytes(data: bytes, vr: str | None, little: bool) -> NDArray[np.uint8]:
    """Return entries of 8 bits; in the words of a big-endian file they are exchanged."""
    entries = np.frombuffer(data, np.uint8)
    if little or vr == "OB":
        return entries
    return entries[: len(entries) // 2 * 2].reshape(-1, 2)[:, ::-1].reshape(-1)


def _first(stated: float, count: int, inputs: tuple[float, float]) -> float:
    other = stated - 65536 if stated >= 0 else stated + 65536

    def covered(first: float) -> float:
        return min(first + count - 1, inputs[1]) - max(first, inputs[0])

    return max((stated, other), key=covered)
