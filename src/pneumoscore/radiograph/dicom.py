"""DICOM: the header is parsed and bounded first, then the one frame is decoded."""

from __future__ import annotations

import zlib
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.dicom_pixels import PixelElement, PixelLayout, decode
from pneumoscore.radiograph.elements import Elements, printable
from pneumoscore.radiograph.guard import translated
from pneumoscore.radiograph.limits import MAX_ASPECT, ReadOptions, check_shape
from pneumoscore.radiograph.metadata import read_metadata
from pneumoscore.radiograph.types import RadiographMetadata
from pneumoscore.radiograph.voi import colour_pixels, grey_pixels

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

__all__ = ["read_dicom"]

_PIXEL_DATA = (0x7FE00010, 0x7FE00008, 0x7FE00009)
_MAX_READS = 200_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"

# PS3.3 C.7.3.1.1.1: projection radiography, and what carries scanned or exported films.
_MODALITIES = ("CR", "DX", "DR", "RG", "RF", "OT", "SC")
_STORAGE = {
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.4.1.1.12.2",
}


class _BoundedReader(BytesIO):
    """Bytes that may be read only so often: hostile headers make pydicom loop for minutes."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise UnreadableFileError("a DICOM header of very many elements", "a radiograph's")
        return super().read(size)


def _meta(data: bytes) -> tuple[Elements, int]:
    """Return the file meta information (PS3.10 7.1) and where the data set begins."""
    from pydicom.filereader import read_dataset

    def beyond(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag >> 16 != 2

    start = 132 if data[128:132] == b"DICM" else 0
    file = _BoundedReader(data)
    file.seek(start)
    if data[start : start + 2] != b"\x02\x00":
        from pydicom.dataset import Dataset

        return Elements(Dataset()), start
    with translated("DICOM file"):
        meta = read_dataset(file, False, True, stop_when=beyond)
    return Elements(meta), file.tell()


def _inflated(data: bytes, start: int, options: ReadOptions) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5), at most as long as a file may be."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with translated("deflated DICOM file"):
        inflated = inflater.decompress(data[start:], options.max_file_bytes)
    if inflater.unconsumed_tail:
        raise ImageTooLargeError(
            "a deflated DICOM file that inflates without end",
            f"at most {options.max_file_bytes:,} bytes",
            "raise max_file_bytes if this is a radiograph",
        )
    return inflated


def _guessed_syntax(data: bytes, start: int) -> str:
    """Tell the encoding of a data set without transfer syntax by its first element."""
    explicit = data[start + 4 : start + 6]
    if not (explicit.isalpha() and explicit.isupper()):
        return _IMPLICIT
    return _BIG_ENDIAN if data[start : start + 1] == b"\x00" else _EXPLICIT


def _parsed(data: bytes, start: int, syntax: str) -> tuple[Elements, PixelElement | None]:
    """Parse the data set up to its pixel data, which is located but not read."""
    from pydicom.filereader import read_dataset

    little = syntax != _BIG_ENDIAN
    file = _BoundedReader(data)
    file.seek(start)
    found: list[PixelElement] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if int(tag) in _PIXEL_DATA:
            found.append(PixelElement(int(tag), vr, length, file.tell()))
        return bool(found)

    with translated("DICOM header"):
        dataset = read_dataset(file, syntax == _IMPLICIT, little, stop_when=at_pixels)
    return Elements(dataset, little), found[0] if found else None


def _check_kind(elements: Elements) -> None:
    """Refuse by name what is no single projection radiograph."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    expected = "a radiograph (CR, DX or secondary capture)"
    sop_class = elements.text(0x00080016)
    if sop_class and sop_class not in _STORAGE:
        uid = UID(sop_class, IGNORE)
        if not uid.is_private and uid.name != sop_class:
            raise UnsupportedImageError(f"a DICOM object of kind {uid.name}", expected)
    modality = elements.text(0x00080060)
    if modality and modality.upper() not in _MODALITIES:
        raise UnsupportedImageError(f"a DICOM image of modality {modality[:16]}", expected)
    frames = elements.number(0x00280008, "IS")
    if frames is not None and frames > 1:
        raise UnsupportedImageError(
            f"a DICOM image of {frames:.0f} frames", "a single frame", "export one frame alone"
        )


def _required(elements: Elements, tag: int, name: str) -> int:
    number = elements.number(tag, "US")
    if number is None:
        raise UnreadableFileError(f"a DICOM file without {name}", "an image")
    return int(number)


def _layout(elements: Elements, options: ReadOptions) -> PixelLayout:
    """Read and check the Image Pixel module (PS3.3 C.7.6.3)."""
    rows = _required(elements, 0x00280010, "Rows")
    columns = _required(elements, 0x00280011, "Columns")
    check_shape(rows, columns, options)
    allocated = _required(elements, 0x00280100, "Bits Allocated")
    stored = int(elements.number(0x00280101, "US") or allocated)
    high = elements.number(0x00280102, "US")
    high_bit = stored - 1 if high is None else int(high)
    if allocated not in (1, 8, 16, 32) or not 1 <= stored <= allocated:
        raise UnsupportedImageError(
            f"DICOM pixels of {stored} bits stored in {allocated}", "1 to 8, 16 or 32 bits"
        )
    if not stored - 1 <= high_bit < allocated:
        high_bit = stored - 1
    samples = int(elements.number(0x00280002, "US") or 1)
    photometric = (elements.text(0x00280004) or "").upper()
    expected = {
        "MONOCHROME1": 1,
        "MONOCHROME2": 1,
        "PALETTE COLOR": 1,
        "RGB": 3,
        "YBR_FULL": 3,
        "YBR_FULL_422": 3,
        "YBR_ICT": 3,
        "YBR_RCT": 3,
    }
    if not photometric:
        raise UnreadableFileError("a DICOM file without Photometric Interpretation", "an image")
    if expected.get(photometric) != samples or (samples == 3 and allocated not in (8, 16)):
        raise UnsupportedImageError(
            f"DICOM pixels with {samples} samples as {printable(photometric)[:16]}",
            "MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB or YBR",
        )
    return PixelLayout(
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=photometric,
        planar=int(elements.number(0x00280006, "US") or 0),
        allocated=allocated,
        stored=stored,
        high_bit=high_bit,
        signed=elements.number(0x00280103, "US") == 1,
        little=elements.little,
    )


def _aspect(elements: Elements, metadata: RadiographMetadata) -> float:
    """Return row spacing over column spacing (PS3.3 C.7.6.3.1.7)."""
    ratio = 1.0
    spacing = metadata.pixel_spacing_mm
    try:
        stated = elements.numbers(0x00280034, "IS")
    except UnreadableFileError:
        stated = ()
    if spacing is not None:
        ratio = spacing[0] / spacing[1]
    elif len(stated) >= 2 and min(stated[:2]) > 0:
        ratio = stated[0] / stated[1]
    if not 1 / MAX_ASPECT <= ratio <= MAX_ASPECT:
        raise UnsupportedImageError(
            f"DICOM pixels {ratio:.3g} times as high as wide",
            f"at most {MAX_ASPECT:g} times",
        )
    return ratio


def _squared(
    pixels: NDArray[np.float32], ratio: float, options: ReadOptions
) -> NDArray[np.float32]:
    """Resample to square pixels, of the finer spacing where the bound allows it."""
    from PIL import Image

    rows, columns = pixels.shape
    high, wide = (round(rows * ratio), columns) if ratio > 1 else (rows, round(columns / ratio))
    if high * wide > options.max_pixels:
        high, wide = (rows, round(columns / ratio)) if ratio > 1 else (round(rows * ratio), columns)
    shape = (max(1, wide), max(1, high))
    image = Image.fromarray(pixels).resize(shape, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0)


def read_dicom(
    data: bytes, options: ReadOptions
) -> tuple[NDArray[np.float32], tuple[str, ...], RadiographMetadata]:
    """Read a DICOM radiograph (CR, DX, SC).

    Values pass the modality LUT or rescale, the VOI LUT or window and the polarity, in the
    order of PS3.4 N.2.1; colour becomes luminance; unequal spacing becomes square pixels.

    Parameters
    ----------
    data : bytes
        The file, with or without preamble.
    options : ReadOptions
        Bounds, and whether VOI is applied.

    Returns
    -------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1], white = dense.
    transforms : tuple of str
        What was applied, in order.
    metadata : RadiographMetadata
        What the file says.

    Raises
    ------
    UnreadableFileError
        If the file is damaged or lacks what an image needs.
    UnsupportedImageError
        If it is no single projection radiograph, or encoded in a way that is not read.
    ImageTooLargeError
        If it has too many pixels or inflates without end.
    """
    meta, start = _meta(data)
    syntax = meta.text(0x00020010) or _guessed_syntax(data, start)
    if syntax == _DEFLATED:
        data, start = _inflated(data, start, options), 0
    elements, pixel_element = _parsed(data, start, syntax)
    _check_kind(elements)
    if pixel_element is None or pixel_element.tag != _PIXEL_DATA[0]:
        raise UnreadableFileError(
            "a DICOM file without Pixel Data", "an image", "it may be cut off"
        )
    layout = _layout(elements, options)
    metadata = read_metadata(elements)
    ratio = _aspect(elements, metadata)
    stored = decode(data, pixel_element, layout, syntax)
    if layout.photometric.startswith("MONOCHROME"):
        pixels, transforms = grey_pixels(stored, elements, layout, options)
    else:
        pixels, transforms = colour_pixels(stored, elements, layout)
    if abs(ratio - 1) > 0.005:
        shape = pixels.shape
        pixels = _squared(pixels, ratio, options)
        transforms = (*transforms, f"square pixels {ratio:.4g}")
        if metadata.pixel_spacing_mm is not None:
            spacing = metadata.pixel_spacing_mm
            metadata = replace(
                metadata,
                pixel_spacing_mm=(
                    spacing[0] * shape[0] / pixels.shape[0],
                    spacing[1] * shape[1] / pixels.shape[1],
                ),
            )
    return pixels, transforms, metadata
