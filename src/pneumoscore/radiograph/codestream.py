"""JPEG, JPEG lossless, JPEG-LS and JPEG 2000 frames of DICOM files.

Pillow decodes what it can; GDCM the rest. The codestream's own header is compared with the
DICOM header before a decoder sees the frame: a decoder trusts it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.gdcm_process import gdcm_decoded
from pneumoscore.radiograph.greyscale import luminance
from pneumoscore.radiograph.guard import translated

__all__ = ["Codestream", "decode_codestream"]

_BASELINE = "1.2.840.10008.1.2.4.50"
_EXTENDED = "1.2.840.10008.1.2.4.51"
_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_READ = "uncompressed, deflated, RLE, JPEG, JPEG lossless, JPEG-LS or JPEG 2000"

# Start of frame: baseline, extended, lossless (ITU-T T.81 B.1.1.3); JPEG-LS (T.87 C.1.1).
_FRAMES = {0xC0: (_BASELINE, _EXTENDED), 0xC1: (_BASELINE, _EXTENDED), 0xC3: _LOSSLESS}
_FRAMES[0xF7] = _JPEG_LS
_SCAN = 0xDA
_REMARKS = (*range(0xE0, 0xF0), 0xFE)
# Tables of Huffman, quantisation, restart and JPEG-LS; all else is no part of a header.
_HEADER = (*_FRAMES, *_REMARKS, _SCAN, 0xC4, 0xDB, 0xDD, 0xF8)


@dataclass(frozen=True, slots=True)
class Codestream:
    """What the DICOM header says a frame holds.

    Attributes
    ----------
    rows, columns, samples : int
        Shape.
    photometric : str
        Photometric Interpretation.
    stored : int
        Bits Stored.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    stored: int


@dataclass(frozen=True, slots=True)
class _Header:
    """What a codestream says of itself."""

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    jfif: bool = False


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


def _jpeg_header(frame: bytes, syntax: str) -> _Header:
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
        header = _Header(rows, columns, samples, bits)
    if header is None:
        raise UnreadableFileError("a JPEG frame of unknown process", "that of its transfer syntax")
    return replace(header, jfif=jfif)


def _bare(frame: bytes) -> bytes:
    """Leave out application data and comments, on which GDCM may end the process."""
    segments = list(_segments(frame))
    kept = [frame[start:end] for marker, start, end in segments if marker not in _REMARKS]
    return b"".join((b"\xff\xd8", *kept, frame[segments[-1][2] :]))


def _jpeg_2000_header(frame: bytes) -> _Header:
    """Read the image and tile size of a JPEG 2000 codestream (ITU-T T.800 A.5.1)."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 65536)
    if start < 0 or len(frame) < start + 45:
        raise UnreadableFileError("a damaged JPEG 2000 frame", "an intact file")
    right, lower, left, upper = struct.unpack_from(">4I", frame, start + 8)
    (samples,) = struct.unpack_from(">H", frame, start + 40)
    depth = frame[start + 42]
    return _Header(lower - upper, right - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80))


def _check(header: _Header, wanted: Codestream) -> None:
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


def _pillow(frame: bytes, kind: str, wanted: Codestream, raw: bool) -> NDArray[np.integer]:
    """Decode with Pillow; `raw` asks for the components of a colour JPEG as they are."""
    from PIL import Image

    with translated("JPEG frame"):
        image = Image.open(BytesIO(frame), formats=(kind,))
        if image.size != (wanted.columns, wanted.rows):
            raise UnreadableFileError("a JPEG frame of another size than its DICOM header")
        if raw and "adobe_transform" not in image.info:
            image.draft("YCbCr", image.size)
    with translated("JPEG frame"):
        image.load()
        values = np.asarray(image)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _baseline(frame: bytes, wanted: Codestream, header: _Header) -> NDArray[np.integer]:
    if wanted.samples == 1:
        return _pillow(frame, "JPEG", wanted, raw=False)
    values = _pillow(frame, "JPEG", wanted, raw=True)
    transformed = header.jfif or wanted.photometric.startswith("YBR")
    adobe = b"Adobe\x00" in frame[:2048]
    # Without an Adobe marker the components came out as they are; with one, as RGB.
    return values[..., 0] if transformed and not adobe else _luma(values)


def _luma(values: NDArray[np.integer]) -> NDArray[np.integer]:
    return np.rint(luminance(values)).astype(values.dtype)


def _jpeg_2000(frame: bytes, wanted: Codestream, header: _Header) -> NDArray[np.integer]:
    """Decode JPEG 2000, undoing what Pillow does to depth and sign."""
    if wanted.samples > 1 and (header.bits > 8 or header.signed):
        raise UnsupportedImageError(
            f"a JPEG 2000 colour frame of {header.bits} bits", "8 bits for each colour"
        )
    values = _pillow(frame, "JPEG2000", wanted, raw=False)
    if values.ndim == 3:
        return values[..., 0] if wanted.photometric.startswith("YBR_FULL") else _luma(values)
    if values.dtype not in (np.uint8, np.uint16):
        raise UnsupportedImageError(f"a JPEG 2000 frame of {values.dtype} pixels", "8 or 16 bits")
    # Pillow fills the container from the top and adds half the range to signed samples.
    values = values >> values.dtype.type(8 * values.dtype.itemsize - header.bits)
    if header.signed:
        values ^= values.dtype.type(1 << (header.bits - 1))
    return values


def _gdcm(frame: bytes, wanted: Codestream, header: _Header, syntax: str) -> NDArray[np.integer]:
    """Decode JPEG lossless and JPEG-LS with GDCM; samples come back as they are."""
    allocated = 8 if header.bits <= 8 else 16
    # GDCM has decoders for 8, 12 and 16 bits; only that for 12 knows the extended process.
    decoder = 12 if syntax == _EXTENDED else allocated
    buffer = gdcm_decoded(
        frame if syntax in _JPEG_LS else _bare(frame),
        (wanted.rows, wanted.columns, wanted.samples),
        decoder,
        header.bits,
        syntax,
    )
    values = np.frombuffer(buffer, dtype=f"u{allocated // 8}")
    expected = wanted.rows * wanted.columns * wanted.samples
    if values.size != expected:
        raise UnreadableFileError(
            f"a JPEG frame of {values.size:,} samples", f"{expected:,} samples"
        )
    if wanted.samples == 1:
        return values.reshape(wanted.rows, wanted.columns)
    colour = values.reshape(wanted.rows, wanted.columns, wanted.samples)
    return colour[..., 0] if wanted.photometric.startswith("YBR_FULL") else _luma(colour)


def decode_codestream(
    frame_of: Callable[[], bytes], wanted: Codestream, syntax: str
) -> tuple[NDArray[np.integer], int]:
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
    values : ndarray of uint8 or uint16, shape (rows, columns)
        Samples as bit patterns (signed ones in two's complement of `bits` bits). Colour
        comes as luminance.
    bits : int
        Bits of a sample in the codestream.

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
    if syntax in _JPEG_2000:
        return _jpeg_2000(frame, wanted, header), header.bits
    if syntax in (_BASELINE, _EXTENDED) and header.bits == 8:
        return _baseline(frame, wanted, header), 8
    return _gdcm(frame, wanted, header, syntax), header.bits
