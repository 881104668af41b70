"""The decoders of compressed frames: imagecodecs where it is installed, Pillow and GDCM.

All give the same samples; which one decodes only changes how long that takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.gdcm_process import gdcm_decoded
from pneumoscore.radiograph.greyscale import luminance
from pneumoscore.radiograph.guard import translated
from pneumoscore.radiograph.reduction import centred

__all__ = ["Codestream", "Header", "baseline", "fast", "jpeg_2000", "unpacked", "with_gdcm"]

_EXTENDED = "1.2.840.10008.1.2.4.51"
_END = b"\xff\xd9"


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
    least_side : int or None
        Pixels that the shorter side must keep where a decoder can give fewer; None for all.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    stored: int
    least_side: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a codestream says of itself; `levels` is how often JPEG 2000 halved the image."""

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    jfif: bool = False
    levels: int = 0


@cache
def _imagecodecs() -> ModuleType | None:
    """Return the extra's module, or None where it is not installed."""
    try:
        import imagecodecs
    except ImportError:
        return None
    return imagecodecs


def _whole(frame: bytes) -> bool:
    """Whether a JPEG frame ends as it must; some decoders make up what is missing."""
    return frame[-64:].rstrip(b"\x00").endswith(_END)


def unpacked(segment: bytes, count: int) -> NDArray[np.uint8] | None:
    """Undo PackBits (PS3.5 G.3); None where the extra ``fast`` is not installed or refuses."""
    codecs = _imagecodecs()
    if codecs is None:
        return None
    try:
        with translated("RLE pixel data"):
            values = np.frombuffer(codecs.packbits_decode(segment), np.uint8)
    except UnreadableFileError:
        return None
    return values[:count] if values.size >= count else None


def fast(
    frame: bytes, wanted: Codestream, header: Header, jpeg_ls: bool
) -> NDArray[np.integer] | None:
    """Decode grey JPEG lossless, 12-bit JPEG or JPEG-LS with libjpeg-turbo and CharLS.

    Returns
    -------
    ndarray of uint8 or uint16, shape (rows, columns), or None
        None where the extra ``fast`` is not installed, the frame does not end as it must, or
        the decoder refuses it: GDCM has the last word.
    """
    codecs = _imagecodecs()
    if codecs is None or not _whole(frame):
        return None
    try:
        with translated("JPEG frame"):
            values = codecs.jpegls_decode(frame) if jpeg_ls else codecs.jpeg8_decode(frame)
    except UnreadableFileError:
        return None
    width = 1 if header.bits <= 8 else 2
    if values.shape != (wanted.rows, wanted.columns) or values.dtype != np.dtype(f"u{width}"):
        return None
    return np.asarray(values)


def _jpeg(frame: bytes, wanted: Codestream, raw: bool) -> NDArray[np.integer]:
    """Decode with Pillow, smaller by a power of two where that is asked.

    `raw` asks for the components of a colour JPEG as they are.
    """
    from PIL import Image

    with translated("JPEG frame"):
        image = Image.open(BytesIO(frame), formats=("JPEG",))
        if image.size != (wanted.columns, wanted.rows):
            raise UnreadableFileError("a JPEG frame of another size than its DICOM header")
        mode = "YCbCr" if raw and "adobe_transform" not in image.info else None
        side = wanted.least_side
        image.draft(mode, image.size if side is None else (side, side))
    with translated("JPEG frame"):
        image.load()
        values = np.asarray(image)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def baseline(frame: bytes, wanted: Codestream, header: Header) -> NDArray[np.integer]:
    """Decode 8-bit JPEG with Pillow, colour to luminance."""
    if wanted.samples == 1:
        return _jpeg(frame, wanted, raw=False)
    values = _jpeg(frame, wanted, raw=True)
    transformed = header.jfif or wanted.photometric.startswith("YBR")
    adobe = b"Adobe\x00" in frame[:2048]
    # Without an Adobe marker the components came out as they are; with one, as RGB.
    return values[..., 0] if transformed and not adobe else _luma(values)


def _luma(values: NDArray[np.integer]) -> NDArray[np.integer]:
    return np.rint(luminance(values)).astype(values.dtype)


def jpeg_2000(
    frame: bytes, wanted: Codestream, header: Header, halvings: int, high_throughput: bool
) -> NDArray[np.integer]:
    """Decode JPEG 2000 or HTJ2K at a resolution halved `halvings` times."""
    if wanted.samples > 1 and (header.bits > 8 or header.signed):
        raise UnsupportedImageError(
            f"a JPEG 2000 colour frame of {header.bits} bits", "8 bits for each colour"
        )
    values = _offset_binary(frame, wanted, header, halvings, high_throughput)
    if values.ndim == 3:
        values = values[..., 0] if wanted.photometric.startswith("YBR_FULL") else _luma(values)
    values = centred(values, halvings)
    if header.signed:
        values = values ^ values.dtype.type(1 << (header.bits - 1))
    return values


def _offset_binary(
    frame: bytes, wanted: Codestream, header: Header, halvings: int, high_throughput: bool
) -> NDArray[np.integer]:
    """Decode to samples without a sign: half the range is added to signed ones."""
    codecs = _imagecodecs()
    if high_throughput and codecs is not None and wanted.samples == 1 and _whole(frame):
        values = _openjph(codecs, frame, wanted, header, halvings)
        if values is not None:
            return values
    values = _openjpeg(frame, wanted, halvings)
    if values.ndim == 3:
        return values
    if values.dtype not in (np.uint8, np.uint16):
        raise UnsupportedImageError(f"a JPEG 2000 frame of {values.dtype} pixels", "8 or 16 bits")
    # Pillow fills the container from the top.
    return np.asarray(values >> values.dtype.type(8 * values.dtype.itemsize - header.bits))


def _openjpeg(frame: bytes, wanted: Codestream, halvings: int) -> NDArray[np.integer]:
    """Decode with Pillow, whose own way to a lower resolution knows no odd sizes."""
    from PIL import Image, ImageFile

    with translated("JPEG 2000 frame"):
        image = Image.open(BytesIO(frame), formats=("JPEG2000",))
        if image.size != (wanted.columns, wanted.rows):
            raise UnreadableFileError("a JPEG 2000 frame of another size than its DICOM header")
        if halvings and isinstance(image, ImageFile.ImageFile):
            wide, high = (-(-side // (1 << halvings)) for side in image.size)
            tile = image.tile[0]
            args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
            image.tile = [
                tile._replace(extents=(0, 0, wide, high), args=(args[0], halvings, *args[2:]))
            ]
            image._size = (wide, high)
        image.load()
        values = np.asarray(image)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _openjph(
    codecs: ModuleType, frame: bytes, wanted: Codestream, header: Header, halvings: int
) -> NDArray[np.integer] | None:
    """Decode with OpenJPH; None where it refuses or gives another shape."""
    try:
        with translated("HTJ2K frame"):
            values = codecs.htj2k_decode(frame, skipres=halvings or None)
    except UnreadableFileError:
        return None
    shape = tuple(-(-side // (1 << halvings)) for side in (wanted.rows, wanted.columns))
    if values.shape != shape or values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        return None
    unsigned: NDArray[np.integer] = values.view(f"u{values.dtype.itemsize}")
    # Signed samples come extended to their container.
    samples = unsigned & unsigned.dtype.type((1 << header.bits) - 1)
    return samples ^ samples.dtype.type(1 << (header.bits - 1)) if header.signed else samples


def with_gdcm(frame: bytes, wanted: Codestream, header: Header, syntax: str) -> NDArray[np.integer]:
    """Decode JPEG lossless and JPEG-LS with GDCM; samples come back as they are."""
    allocated = 8 if header.bits <= 8 else 16
    # GDCM has decoders for 8, 12 and 16 bits; only that for 12 knows the extended process.
    decoder = 12 if syntax == _EXTENDED else allocated
    buffer = gdcm_decoded(
        frame,
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
