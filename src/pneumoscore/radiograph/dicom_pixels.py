"""Stored pixel values of the one frame of a DICOM file, by transfer syntax."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.codestream import Codestream, decode_codestream
from pneumoscore.radiograph.frame_decoders import unpacked
from pneumoscore.radiograph.guard import translated

__all__ = ["Decoded", "PixelElement", "PixelLayout", "decode"]

_NATIVE = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
}
_ENCAPSULATED = "1.2.840.10008.1.2.1.98"
_RLE = "1.2.840.10008.1.2.5"
_UNDEFINED = 0xFFFFFFFF
_MAX_FRAGMENTS = 100_000


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixel data lie: tag, value representation, length and offset of the value."""

    tag: int
    vr: str | None
    length: int
    start: int


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The samples of the frame as bit patterns, and how to take them.

    Attributes
    ----------
    containers : ndarray of uint8, uint16 or uint32
        Shape (rows, columns) or (rows, columns, 3); all bits of the file. YBR pixels may come
        as RGB or as luminance alone, see `decode_codestream`.
    bits, high_bit : int
        Bits that hold a sample, and the uppermost of them.
    stored : int
        Bits Stored.
    signed : bool
        Two's complement.
    lossy : bool
        Whether compression may have carried samples beyond their range.
    """

    containers: NDArray[np.integer]
    bits: int
    high_bit: int
    stored: int
    signed: bool
    lossy: bool = False

    @property
    def values(self) -> NDArray[np.integer]:
        """Stored values: other bits removed, sign extended, overshoot clipped."""
        if not self.lossy:
            bits = min(self.bits, self.stored)
            high = bits - 1 if self.bits != self.stored else self.high_bit
            return _significant(self.containers, bits, high, self.signed)
        values = _significant(self.containers, self.bits, self.high_bit, self.signed)
        low = -(1 << (self.stored - 1)) if self.signed else 0
        high = (1 << (self.stored - int(self.signed))) - 1
        limits = np.iinfo(values.dtype)
        if low <= limits.min and high >= limits.max:
            return values
        return np.asarray(np.clip(values, max(low, limits.min), min(high, limits.max)))


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """The Image Pixel module (PS3.3 C.7.6.3), checked.

    Attributes
    ----------
    rows, columns, samples : int
        Shape; `samples` is 1 or 3.
    photometric : str
        Photometric Interpretation, upper case.
    planar : int
        1 where all of one sample come before the next (C.7.6.3.1.3).
    allocated, stored, high_bit : int
        Bits of a sample.
    signed : bool
        Pixel Representation: two's complement.
    little : bool
        Byte order of uncompressed samples.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    little: bool

    @property
    def size(self) -> int:
        """Number of samples of the frame."""
        return self.rows * self.columns * self.samples


def _truncated(found: int, expected: int) -> UnreadableFileError:
    return UnreadableFileError(
        f"DICOM pixel data cut off after {found:,} bytes",
        f"{expected:,} bytes",
        "copy or export the file again",
    )


def _native(data: bytes, element: PixelElement, layout: PixelLayout) -> NDArray[np.integer]:
    """Return uncompressed samples (PS3.5 8.1, A.1, A.2) as unsigned containers."""
    half = layout.photometric == "YBR_FULL_422"
    samples = layout.rows * layout.columns * 2 if half else layout.size
    expected = math.ceil(samples * layout.allocated / 8)
    length = len(data) - element.start
    if element.length != _UNDEFINED:
        length = min(length, element.length)
    if length < expected:
        raise _truncated(max(0, length), expected)
    if layout.allocated == 1:
        packed = np.frombuffer(data, np.uint8, expected, element.start)
        bits = np.unpackbits(packed, count=samples, bitorder="little")
        return bits.reshape(layout.rows, layout.columns)
    # A big-endian file may hold 8-bit samples in words whose bytes are exchanged (PS3.5 A.3).
    in_words = layout.allocated == 8 and not layout.little and element.vr == "OW"
    count = expected + (expected % 2 if in_words else 0)
    if in_words:
        if length < count:
            raise _truncated(length, count)
        words = np.frombuffer(data, np.uint16, count // 2, element.start)
        values: NDArray[np.integer] = words.byteswap().view(np.uint8)[:expected]
    else:
        order = "<" if layout.little else ">"
        dtype = np.dtype(f"{order}u{layout.allocated // 8}")
        values = np.frombuffer(data, dtype, samples, element.start)
        values = values.astype(dtype.newbyteorder("="), copy=False)
    if half:
        # Two luminances, then the chrominances they share (PS3.3 C.7.6.3.1.2).
        luma = values.reshape(-1, 4)[:, :2]
        return luma.reshape(layout.rows, layout.columns)
    return _arranged(values, layout)


def _arranged(values: NDArray[np.integer], layout: PixelLayout) -> NDArray[np.integer]:
    if layout.samples == 1:
        return values.reshape(layout.rows, layout.columns)
    if layout.planar == 1:
        return values.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)
    return values.reshape(layout.rows, layout.columns, layout.samples)


def _frame(data: bytes, element: PixelElement) -> bytes:
    """Return the fragments of the frame, joined (PS3.5 A.4)."""
    position, fragments = element.start, []
    while True:
        if len(data) - position < 8:
            # All fragments may be there and only the delimiter missing.
            break
        group, number, length = struct.unpack_from("<HHI", data, position)
        if (group, number) != (0xFFFE, 0xE000):
            if (group, number) == (0xFFFE, 0xE0DD):
                break
            raise UnreadableFileError("damaged fragments of DICOM pixel data", "an intact file")
        position += 8
        if length > len(data) - position:
            raise _truncated(len(data) - position, length)
        fragments.append(data[position : position + length])
        position += length
        if len(fragments) > _MAX_FRAGMENTS:
            raise UnreadableFileError("DICOM pixel data in very many fragments", "a single film")
    # The first item is the Basic Offset Table.
    frame = b"".join(fragments[1:])
    if not frame:
        raise UnreadableFileError("DICOM pixel data without a frame", "an image")
    return frame


def _run_length(frame: bytes, layout: PixelLayout) -> NDArray[np.integer]:
    """Decode RLE (PS3.5 G): one PackBits segment for each byte of each sample."""
    from PIL import Image

    width = layout.allocated // 8
    if layout.allocated % 8:
        raise UnsupportedImageError(f"RLE pixels of {layout.allocated} bit", "8, 16 or 32")
    if len(frame) < 64:
        raise _truncated(len(frame), 64)
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != width * layout.samples:
        raise UnreadableFileError(
            f"RLE pixel data of {count} segments", f"{width * layout.samples} segments"
        )
    ends = [*offsets[1:count], len(frame)]
    pixels = layout.rows * layout.columns
    planes = np.zeros((layout.samples, pixels), dtype=f"u{width}")
    for index, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        if not 64 <= start < end <= len(frame):
            raise UnreadableFileError("RLE pixel data with a damaged header", "an intact file")
        row = unpacked(frame[start:end], pixels)
        if row is None:
            with translated("RLE pixel data"):
                # Pillow's row is the whole segment: packets may span the rows of the film.
                image = Image.frombytes("L", (pixels, 1), frame[start:end], "packbits", "L")
            row = np.asarray(image).reshape(-1)
        plane = row.astype(planes.dtype, copy=False)
        planes[index // width] |= plane << planes.dtype.type(8 * (width - 1 - index % width))
    if layout.samples == 1:
        return planes.reshape(layout.rows, layout.columns)
    return planes.reshape(layout.samples, layout.rows, layout.columns).transpose(1, 2, 0)


def _significant(
    values: NDArray[np.integer], stored: int, high_bit: int, signed: bool
) -> NDArray[np.integer]:
    """Keep the bits that are stored (PS3.5 8.1.1), and their sign.

    Other bits may hold anything, overlays among them.
    """
    width = 8 * values.dtype.itemsize
    dtype = np.dtype(f"{'i' if signed else 'u'}{values.dtype.itemsize}")
    left, right = width - 1 - high_bit, width - stored
    if not signed and high_bit == stored - 1 and values.max() < 1 << stored:
        return values  # nothing lies in the other bits: to look costs less than to remove
    if not left and not right:
        return values.view(dtype) if values.flags.c_contiguous else values.astype(dtype)
    shifted: NDArray[np.integer] = np.left_shift(values, values.dtype.type(left)).view(dtype)
    np.right_shift(shifted, dtype.type(right), out=shifted)
    return shifted


def decode(
    data: bytes,
    element: PixelElement,
    layout: PixelLayout,
    syntax: str,
    least_side: int | None = None,
) -> Decoded:
    """Return the samples of the frame.

    Parameters
    ----------
    data : bytes
        The file (inflated, if it was deflated).
    element : PixelElement
        Where the pixel data lie in it.
    layout : PixelLayout
        Checked against the bounds before.
    syntax : str
        Transfer syntax UID (PS3.5 10).
    least_side : int, optional
        Let a decoder that can give a smaller image at less cost do so, as long as its shorter
        side has so many pixels.

    Returns
    -------
    Decoded
        Of the whole size, or smaller by a power of two.

    Raises
    ------
    UnreadableFileError
        If the pixel data are cut off or damaged.
    UnsupportedImageError
        If the transfer syntax is none that is read.
    """
    if syntax == _ENCAPSULATED:
        data = _frame(data, element)
        element = PixelElement(element.tag, "OW", len(data), 0)
    if syntax in _NATIVE or syntax == _ENCAPSULATED:
        # A single bit is unpacked to a byte.
        high = 0 if layout.allocated == 1 else layout.high_bit
        native = _native(data, element, layout)
        return Decoded(native, layout.stored, high, layout.stored, layout.signed)
    if syntax == _RLE:
        runs = _run_length(_frame(data, element), layout)
        return Decoded(runs, layout.stored, layout.high_bit, layout.stored, layout.signed)
    wanted = Codestream(
        layout.rows, layout.columns, layout.samples, layout.photometric, layout.stored, least_side
    )
    frame = decode_codestream(lambda: _frame(data, element), wanted, syntax)
    return Decoded(
        frame.values, frame.bits, frame.bits - 1, layout.stored, layout.signed, frame.lossy
    )
