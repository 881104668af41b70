"""What is no part of the film: padding and what a display shutter hides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.frame_groups import holding

__all__ = ["Padding", "padding_mask", "padding_of", "shutter_mask"]

_LEAST_SHOWN = 0.04
_FRAME_SHUTTER = 0x00189472


@dataclass(frozen=True, slots=True)
class Padding:
    """The values that mark padding (PS3.3 C.7.5.1.1.2).

    Attributes
    ----------
    low, high : int
        As stored values, both included.
    pattern : int
        The bits of the first value, in 16 bits.
    """

    low: int
    high: int
    pattern: int


def padding_of(elements: Elements, signed: bool) -> Padding | None:
    """Return Pixel Padding Value and Range Limit (0028,0120) and (0028,0121), or None.

    They are read as signed where the pixels are, whatever their value representation says:
    files label them wrongly.
    """
    try:
        value, limit = elements.number(0x00280120, "US"), elements.number(0x00280121, "US")
    except UnreadableFileError:
        return None
    if value is None:
        return None
    pattern = int(value) & 0xFFFF

    def stored(number: float) -> int:
        bits = int(number) & 0xFFFF
        return bits - 0x10000 if signed and bits & 0x8000 else bits

    first, last = stored(value), stored(value if limit is None else limit)
    return Padding(min(first, last), max(first, last), pattern)


def padding_mask(
    stored: NDArray[np.integer], containers: NDArray[np.integer], padding: Padding | None
) -> NDArray[np.bool] | None:
    """Return which pixels are padding: marked, and outside the range of all others.

    Some makers declare a value that real pixels have as well; some mark padding in the bits
    above Bits Stored.

    Parameters
    ----------
    stored : ndarray of int, shape (rows, columns)
        Stored values.
    containers : ndarray of int, same shape
        The same with all bits of the file.
    padding : Padding or None
        What marks it.

    Returns
    -------
    ndarray of bool, same shape, or None
        None if there is none.
    """
    if padding is None:
        return None
    marked: NDArray[np.bool] = (stored >= padding.low) & (stored <= padding.high)
    if not marked.any() and containers.dtype.itemsize == 2:
        unsigned = containers.view(np.uint16) if containers.flags.c_contiguous else containers
        marked = np.asarray(unsigned == padding.pattern)
        return marked if marked.any() and not marked.all() else None
    if not marked.any() or marked.all():
        return None
    others = stored[~marked]
    beyond = padding.high < others.min() or padding.low > others.max()
    return marked if beyond else None


def shutter_mask(elements: Elements, rows: int, columns: int) -> NDArray[np.bool] | None:
    """Return which pixels a display shutter hides (PS3.3 C.7.6.11, C.7.6.15), or None.

    Edges and vertices are shown. Several shapes hide together. A shutter that is not valid, or
    would show less than a twenty-fifth of the image, hides nothing.

    Parameters
    ----------
    elements : Elements
        The data set.
    rows, columns : int
        Of the image.
    """
    level = holding(elements, _FRAME_SHUTTER, 0x00181600)
    hidden: NDArray[np.bool] | None = None
    for shape in level.texts(0x00181600):
        try:
            part = _SHAPES[shape.upper()](level, rows, columns)
        except (KeyError, UnreadableFileError):
            continue
        if part is not None and part.mean() <= 1 - _LEAST_SHOWN:
            hidden = part if hidden is None else hidden | part
    if hidden is None or not hidden.any() or hidden.mean() > 1 - _LEAST_SHOWN:
        return None
    return hidden


def _rectangle(level: Elements, rows: int, columns: int) -> NDArray[np.bool] | None:
    left, right = level.number(0x00181602, "IS"), level.number(0x00181604, "IS")
    upper, lower = level.number(0x00181606, "IS"), level.number(0x00181608, "IS")
    if left is None or right is None or upper is None or lower is None:
        return None
    if left >= right or upper >= lower:
        return None
    hidden = np.ones((rows, columns), dtype=np.bool)
    # Rows and columns are counted from 1.
    hidden[max(0, int(upper) - 1) : max(0, int(lower)), max(0, int(left) - 1) : int(right)] = False
    return hidden


def _circle(level: Elements, rows: int, columns: int) -> NDArray[np.bool] | None:
    centre = level.numbers(0x00181610, "IS")
    radius = level.number(0x00181612, "IS")
    if len(centre) < 2 or radius is None or radius <= 0:
        return None
    down = np.arange(1, rows + 1, dtype=np.float64)[:, np.newaxis] - centre[0]
    across = np.arange(1, columns + 1, dtype=np.float64) - centre[1]
    # The radius counts pixels along a row; those of a column may be of another length.
    down *= _aspect(level)
    return np.asarray(down * down + across * across > radius * radius)


def _aspect(level: Elements) -> float:
    for tag, vr in ((0x00280030, "DS"), (0x00181164, "DS"), (0x00280034, "IS")):
        try:
            pair = level.numbers(tag, vr)
        except UnreadableFileError:
            continue
        if len(pair) >= 2 and min(pair[:2]) > 0:
            return pair[0] / pair[1]
    return 1.0


def _polygon(level: Elements, rows: int, columns: int) -> NDArray[np.bool] | None:
    numbers = level.numbers(0x00181620, "IS")
    vertices = [(x - 1, y - 1) for y, x in zip(numbers[::2], numbers[1::2], strict=False)]
    if len(vertices) < 3 or len(vertices) > 10_000:
        return None
    from PIL import Image, ImageDraw

    image = Image.new("L", (columns, rows), 1)
    ImageDraw.Draw(image).polygon(vertices, fill=0, outline=0)
    return np.asarray(image).astype(np.bool)


def _bitmap(level: Elements, rows: int, columns: int) -> NDArray[np.bool] | None:
    """Return the overlay plane (PS3.3 C.9.2) whose bits hide."""
    group = level.number(0x00181623, "US")
    if group is None or not 0x6000 <= group <= 0x60FF:
        return None
    base = int(group) << 16
    high, wide = level.number(base | 0x0010, "US"), level.number(base | 0x0011, "US")
    origin = level.numbers(base | 0x0050, "SS") or (1.0, 1.0)
    vr, data = level.raw(base | 0x3000)
    if high is None or wide is None or len(origin) < 2 or high * wide > 8 * len(data):
        return None
    packed = np.frombuffer(data, np.uint8)
    if not level.little and vr == "OW":
        packed = packed[: len(packed) // 2 * 2].view(np.uint16).byteswap().view(np.uint8)
    count = int(high) * int(wide)
    if not count or count > 8 * len(packed):
        return None
    bits = np.unpackbits(packed, count=count, bitorder="little").reshape(int(high), int(wide))
    hidden = np.zeros((rows, columns), dtype=np.bool)
    top, left = int(origin[0]) - 1, int(origin[1]) - 1
    part = bits[max(0, -top) : max(0, rows - top), max(0, -left) : max(0, columns - left)]
    top, left = max(0, top), max(0, left)
    hidden[top : top + part.shape[0], left : left + part.shape[1]] = part.astype(np.bool)
    return hidden


_SHAPES = {
    "RECTANGULAR": _rectangle,
    "CIRCULAR": _circle,
    "POLYGONAL": _polygon,
    "BITMAP": _bitmap,
}
