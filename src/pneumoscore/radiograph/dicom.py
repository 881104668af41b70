"""DICOM films: what kind they are, their pixels, and how they are brought upright."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np

from pneumoscore.errors import UnreadableFileError, UnsupportedImageError
from pneumoscore.radiograph.dicom_file import PIXEL_DATA, DicomFile, opened
from pneumoscore.radiograph.dicom_pixels import PixelElement, PixelLayout, decode
from pneumoscore.radiograph.elements import Elements, cleaned
from pneumoscore.radiograph.film import Film
from pneumoscore.radiograph.limits import MAX_ASPECT, ReadOptions, check_shape
from pneumoscore.radiograph.masking import padding_mask, padding_of, shutter_mask
from pneumoscore.radiograph.metadata import read_metadata
from pneumoscore.radiograph.orientation import upright
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.reduction import block_factor, block_means, reduced
from pneumoscore.radiograph.types import RadiographMetadata
from pneumoscore.radiograph.voi import colour_pixels, greyscale, has_voi

__all__ = ["read_dicom", "stored_digest"]

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
            f"DICOM pixels with {samples} samples as {cleaned(photometric)[:16]}",
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


def _squared(film: Film, ratio: float, options: ReadOptions) -> Film:
    """Resample to square pixels, of the finer spacing where the bound allows it."""
    rows, columns = film.pixels.shape
    high, wide = (round(rows * ratio), columns) if ratio > 1 else (rows, round(columns / ratio))
    if high * wide > options.max_pixels:
        high, wide = (rows, round(columns / ratio)) if ratio > 1 else (round(rows * ratio), columns)
    return film.resized(max(1, high), max(1, wide)).noted(f"square pixels {ratio:.4g}")


def _grey_film(
    file: DicomFile, element: PixelElement, layout: PixelLayout, options: ReadOptions
) -> Film:
    """Decode a grey image, leave out what is no part of the film, shrink it, then VOI."""
    elements = file.elements
    padding = padding_of(elements, layout.signed)
    hidden = shutter_mask(elements, layout.rows, layout.columns)
    shuttered = hidden is not None
    # A decoder that shrinks mixes padding with film, and hides the range of the data.
    whole = shuttered or padding is not None
    whole = whole or (layout.stored > 8 and not (options.voi and has_voi(elements)))
    side = None if whole else options.least_side
    decoded = decode(file.data, element, layout, file.syntax, side)
    values = decoded.values
    padded = padding_mask(values, decoded.containers, padding)
    if padded is not None:
        hidden = padded if hidden is None else hidden | padded
        if hidden.all():
            hidden = padded
    way = greyscale(values, hidden, elements, layout, options)
    factor = block_factor(values.shape, options.least_side)
    stored = reduced(values, hidden, layout.stored, factor)
    scale = factor * 2 ** round(math.log2(layout.rows / values.shape[0]))
    names = [
        *(("shutter 0",) if shuttered else ()),
        *(("padding 0",) if padded is not None else ()),
    ]
    transforms = (*_reduction(scale), *way.transforms, *names)
    origin = Origin((layout.rows, layout.columns)).scaled(scale, scale)
    return Film(way(stored), origin, transforms, stored.hidden)


def _reduction(scale: float) -> tuple[str, ...]:
    return () if scale == 1 else (f"reduced 1/{scale:g}",)


def _colour_film(
    file: DicomFile, element: PixelElement, layout: PixelLayout, options: ReadOptions
) -> Film:
    # Indices of a palette have no mean: a decoder must not shrink them.
    side = None if layout.photometric == "PALETTE COLOR" else options.least_side
    stored = decode(file.data, element, layout, file.syntax, side).values
    pixels, transforms = colour_pixels(stored, file.elements, layout)
    factor = block_factor(pixels.shape, options.least_side)
    scale = factor * 2 ** round(math.log2(layout.rows / pixels.shape[0]))
    origin = Origin((layout.rows, layout.columns)).scaled(scale, scale)
    return Film(block_means(pixels, factor), origin, (*_reduction(scale), *transforms))


def _image(data: bytes, options: ReadOptions) -> tuple[DicomFile, PixelElement, PixelLayout]:
    file = opened(data, options)
    _check_kind(file.elements)
    if file.pixels is None or file.pixels.tag != PIXEL_DATA:
        raise UnreadableFileError(
            "a DICOM file without Pixel Data", "an image", "it may be cut off"
        )
    return file, file.pixels, _layout(file.elements, options)


def stored_digest(data: bytes, options: ReadOptions) -> str:
    """Return the SHA-256 of shape and stored values of a DICOM radiograph, every pixel of it.

    The same for every lossless encoding, and whatever else the header says.

    Parameters
    ----------
    data : bytes
        The file.
    options : ReadOptions
        Bounds.

    Raises
    ------
    UnreadableFileError, UnsupportedImageError, ImageTooLargeError
        As of `read_dicom`.
    """
    file, element, layout = _image(data, options)
    values = decode(file.data, element, layout, file.syntax).values
    found = hashlib.sha256(f"{values.shape} ".encode("ascii"))
    # Wide enough for every film that is read, whatever its bits.
    found.update(np.ascontiguousarray(values, "<i8" if values.itemsize > 2 else "<i4").data)
    return found.hexdigest()


def read_dicom(data: bytes, options: ReadOptions) -> tuple[Film, RadiographMetadata]:
    """Read a DICOM radiograph (CR, DX, SC).

    What padding and shutters hide is left out, blocks of pixels are averaged where the film is
    larger than it need be; then values pass the modality LUT or rescale, the VOI LUT or window
    and the polarity, in the order of PS3.4 N.2.1; colour becomes luminance; unequal spacing
    becomes square pixels; the film is turned as Patient Orientation says.

    Parameters
    ----------
    data : bytes
        The file, with or without preamble.
    options : ReadOptions
        Bounds, whether VOI is applied, and how many pixels are needed.

    Returns
    -------
    film : Film
        In [0, 1], white = dense.
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
    file, element, layout = _image(data, options)
    metadata = read_metadata(file.elements)
    ratio = _aspect(file.elements, metadata)
    read = _grey_film if layout.photometric.startswith("MONOCHROME") else _colour_film
    film = read(file, element, layout, options)
    if abs(ratio - 1) > 0.005:
        film = _squared(film, ratio, options)
    spacing = metadata.pixel_spacing_mm
    if spacing is not None:
        # Before turning, rows and columns of film and file are the same.
        spacing = spacing[0] * film.origin.down[0], spacing[1] * film.origin.across[1]
    film = upright(film, metadata.patient_orientation)
    return film, replace(metadata, pixel_spacing_mm=spacing)
