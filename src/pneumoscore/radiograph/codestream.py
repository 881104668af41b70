"""JPEG, JPEG lossless, JPEG-LS and JPEG 2000 frames of DICOM files: what they say of themselves.

The codestream's own header is compared with the DICOM header before a decoder sees the frame:
a decoder trusts it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph import frame_decoders
from pneumoscore.radiograph.frame_decoders import Codestream, Header
from pneumoscore.radiograph.reduction import block_factor

__all__ = ["Codestream", "DecodedFrame", "decode_codestream", "jpeg_file"]

_BASELINE = "1.2.840.10008.1.2.4.50"
_EXTENDED = "1.2.840.10008.1.2.4.51"
_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", *_HTJ2K)
# What these hold may be carried beyond the range of the stored bits.
_LOSSY = (
    _BASELINE,
    _EXTENDED,
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
)
_READ = "uncompressed, deflated, RLE, JPEG, JPEG lossless, JPEG-LS, JPEG 2000 or HTJ2K"

# Start of frame: baseline, extended, lossless (ITU-T T.81 B.1.1.3); JPEG-LS (T.87 C.1.1).
_FRAMES = {0xC0: (_BASELINE, _EXTENDED), 0xC1: (_BASELINE, _EXTENDED), 0xC3: _LOSSLESS}
_FRAMES[0xF7] = _JPEG_LS
_FILES = {0xC0: _EXTENDED, 0xC1: _EXTENDED, 0xC3: _LOSSLESS[0], 0xF7: _JPEG_LS[0]}
_SCAN = 0xDA
_REMARKS = (*range(0xE0, 0xF0), 0xFE)
# Tables of Huffman, quantisation, restart and JPEG-LS; all else is no part of a header.
_HEADER = (*_FRAMES, *_REMARKS, _SCAN, 0xC4, 0xDB, 0xDD, 0xF8)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """A decoded frame.

    Attributes
    ----------
    values : ndarray of uint8 or uint16, shape (rows, columns)
        Samples as bit patterns (signed ones in two's complement of `bits` bits). Colour comes
        as luminance. Smaller than the header says by a power of two where that was asked.
    bits : int
        Bits of a sample in the codestream.
    lossy : bool
        Whether samples may lie beyond their range.
    """

    values: NDArray[np.integer]
    bits: int
    lossy: bool


def _segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Give marker, start and end of the segments of a JPEG header, the last a start of scan.

    They must follow one another without a gap (ITU-T T.81 B.1.1); GDCM ends the process where
    they do not.
    """
    position = 2 if frame[:2] == b"\xff\xd8" else len(frame)
    while position + 4 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        end = position + 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
        if end < position + 4 or end > len(frame) or marker not in _HEADER:
            break
        yield marker, position, end
        if marker == _SCAN:
            return
        position = end
    raise UnreadableFileError(
        "a JPEG frame with a damaged header, or of another process",
        "an intact frame of the process that its transfer syntax names",
    )


def _jpeg_header(frame: bytes, syntax: str) -> Header:
    """Find the start of frame of a JPEG or JPEG-LS codestream (ITU-T T.81 B.2)."""
    jfif, header = False, None
    for marker, start, end in _segments(frame):
        jfif = jfif or (marker == 0xE0 and frame[start + 4 : start + 8] == b"JFIF")
        if marker not in _FRAMES:
            continue
        if syntax not in _FRAMES[marker] or header is not None or end - start < 10:
            raise UnreadableFileError(
                f"a DICOM frame of JPEG process {marker:#x}", "that of its transfer syntax"
            )
        bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, start + 4)
        header = Header(rows, columns, samples, bits)
    if header is None:
        raise UnreadableFileError("a JPEG frame of unknown process", "that of its transfer syntax")
    return replace(header, jfif=jfif)


def _bare(frame: bytes) -> bytes:
    """Leave out application data and comments, on which GDCM may end the process."""
    segments = list(_segments(frame))
    kept = [frame[start:end] for marker, start, end in segments if marker not in _REMARKS]
    return b"".join((b"\xff\xd8", *kept, frame[segments[-1][2] :]))


def _jpeg_2000_header(frame: bytes) -> Header:
    """Read image and tile size of a JPEG 2000 codestream (ITU-T T.800 A.5.1), and its levels."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 65536)
    if start < 0 or len(frame) < start + 45:
        raise UnreadableFileError("a damaged JPEG 2000 frame", "an intact file")
    right, lower, left, upper = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    depth = frame[start + 42]
    levels = 0 if left or upper else _levels(frame, start + 2)
    return Header(
        lower - upper, right - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80), levels=levels
    )


def _levels(frame: bytes, position: int) -> int:
    """Return how often the image was halved, from the coding style (ITU-T T.800 A.6.1)."""
    for _ in range(64):
        if position + 14 > len(frame) or frame[position] != 0xFF:
            return 0
        marker, length = frame[position + 1], struct.unpack_from(">H", frame, position + 2)[0]
        if marker == 0x52:
            return min(frame[position + 9], 32)
        if marker == 0x90:
            return 0
        position += 2 + length
    return 0


def _check(header: Header, wanted: Codestream) -> None:
    if (header.rows, header.columns, header.samples) != (
        wanted.rows,
        wanted.columns,
        wanted.samples,
    ):
        raise UnreadableFileError(
            f"a DICOM frame of {header.rows} x {header.columns} x {header.samples}",
            f"{wanted.rows} x {wanted.columns} x {wanted.samples} as its header says",
        )
    if not 2 <= header.bits <= 16:
        raise UnsupportedImageError(f"a DICOM frame of {header.bits} bits", "2 to 16 bits")


def decode_codestream(
    frame_of: Callable[[], bytes], wanted: Codestream, syntax: str
) -> DecodedFrame:
    """Decode a compressed frame.

    Parameters
    ----------
    frame_of : callable
        Gives the frame; called only when the transfer syntax is known.
    wanted : Codestream
        What the DICOM header says.
    syntax : str
        Transfer syntax UID.

    Returns
    -------
    DecodedFrame
        Its samples.

    Raises
    ------
    UnreadableFileError
        If the frame is damaged or contradicts the DICOM header.
    UnsupportedImageError
        If the transfer syntax or depth is none that is read.
    """
    known = (_BASELINE, _EXTENDED, *_LOSSLESS, *_JPEG_LS, *_JPEG_2000)
    if syntax not in known:
        from pydicom.config import IGNORE
        from pydicom.uid import UID

        name = UID(syntax, IGNORE).name if syntax.replace(".", "").isdigit() else "unknown"
        raise UnsupportedImageError(
            f"DICOM pixel data in transfer syntax {name[:64]}",
            _READ,
            "convert it, for example with gdcmconv --raw",
        )
    frame = frame_of()
    header = _jpeg_2000_header(frame) if syntax in _JPEG_2000 else _jpeg_header(frame, syntax)
    _check(header, wanted)
    return DecodedFrame(_samples(frame, wanted, header, syntax), header.bits, syntax in _LOSSY)


def _samples(frame: bytes, wanted: Codestream, header: Header, syntax: str) -> NDArray[np.integer]:
    if syntax in _JPEG_2000:
        factor = block_factor((header.rows, header.columns), wanted.least_side)
        halvings = min(header.levels, factor.bit_length() - 1)
        return frame_decoders.jpeg_2000(frame, wanted, header, halvings, syntax in _HTJ2K)
    if syntax in (_BASELINE, _EXTENDED) and header.bits == 8:
        return frame_decoders.baseline(frame, wanted, header)
    if wanted.samples == 1:
        values = frame_decoders.fast(frame, wanted, header, syntax in _JPEG_LS)
        if values is not None:
            return values
    bare = frame if syntax in _JPEG_LS else _bare(frame)
    return frame_decoders.with_gdcm(bare, wanted, header, syntax)


def jpeg_file(data: bytes) -> tuple[Header, str] | None:
    """Return header and transfer syntax of a JPEG file that Pillow does not read, or None.

    Those are files of the lossless process, of JPEG-LS, and of more than 8 bits.

    Parameters
    ----------
    data : bytes
        A JPEG file.
    """
    try:
        markers = {marker for marker, _start, _end in _segments(data)}
        syntax = next((_FILES[marker] for marker in markers if marker in _FILES), None)
        header = None if syntax is None else _jpeg_header(data, syntax)
    except UnreadableFileError:
        return None
    if syntax is None or header is None or (header.bits == 8 and syntax == _EXTENDED):
        return None
    return header, syntax
