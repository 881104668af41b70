"""One call for every kind of file."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np

from pneumoscore.radiograph.borders import cut_off, trimmed
from pneumoscore.radiograph.film import Film
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.notices import notices_of
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.source import Source, kind_of, read_bytes
from pneumoscore.radiograph.types import Radiograph, RadiographMetadata

__all__ = ["read_radiograph"]


def read_radiograph(source: Source, *, options: ReadOptions | None = None) -> Radiograph:
    """Read a radiograph of any common kind.

    The kind is told by content, never by name: DICOM (CR, DX, SC; with or without preamble),
    PNG, JPEG, TIFF, WebP, BMP, JPEG 2000. ``docs/reading.md`` says in which order values are
    transformed.

    Parameters
    ----------
    source : str, path, bytes or binary file object
        What to read.
    options : ReadOptions, optional
        Bounds, whether VOI is applied, and the background of transparent pixels.

    Returns
    -------
    Radiograph
        Pixels in [0, 1], white = dense. Its notices may name ``"inverted"`` (the film looks
        inverted; its pixels are left as they are), ``"two_films"``, ``"almost_constant"`` and
        ``"too_few_pixels"``.

    Raises
    ------
    UnreadableFileError
        If the source is missing, empty, damaged or no image.
    UnsupportedImageError
        If it is an image of a kind that is no single projection radiograph.
    ImageTooLargeError
        If it is beyond the bounds of `options`; found before anything is decoded.
    TypeError
        If `source` is of another type.

    Examples
    --------
    >>> from io import BytesIO
    >>> from PIL import Image
    >>> file = BytesIO()
    >>> Image.linear_gradient("L").save(file, "PNG")
    >>> film = read_radiograph(file.getvalue())
    >>> film.rows, film.columns, float(film.pixels.max())
    (256, 256, 1.0)
    """
    options = options or ReadOptions()
    data = read_bytes(source, options)
    film, metadata = _decoded(data, options)
    if options.trim:
        film = trimmed(film)
        least = _side_for(film, options.least_side)
        if least is not None:
            film, metadata = _decoded(data, replace(options, least_side=least))
            film = trimmed(film)
    read = _radiograph(film, metadata)
    if film.origin.stored_pixels <= 1:
        return read
    return read.with_finer(functools.partial(_again, data, options, film.origin, read.extent))


def _side_for(film: Film, least_side: int | None) -> int | None:
    """Return what the stored image must keep so that a trimmed film keeps `least_side`.

    None where it does, or was not shrunk.
    """
    shorter = min(film.pixels.shape)
    if least_side is None or shorter >= least_side or film.origin.stored_pixels <= 1:
        return None
    kept: float = least_side * min(film.origin.shape) / (shorter * film.origin.stored_pixels)
    return math.ceil(kept)


def _decoded(data: bytes, options: ReadOptions) -> tuple[Film, RadiographMetadata]:
    kind = kind_of(data)
    if kind == "DICOM":
        from pneumoscore.radiograph.dicom import read_dicom

        return read_dicom(data, options)
    from pneumoscore.radiograph.raster import read_raster

    return read_raster(data, kind, options), RadiographMetadata()


def _radiograph(film: Film, metadata: RadiographMetadata) -> Radiograph:
    pixels = np.ascontiguousarray(film.pixels)
    # Frozen, the array is taken over without a copy.
    pixels.setflags(write=False)
    return Radiograph(pixels, film.transforms, metadata, notices_of(pixels), film.origin)


def _again(
    data: bytes,
    options: ReadOptions,
    origin: Origin,
    extent: tuple[float, float, float, float],
    least_side: int | None,
) -> Radiograph:
    """Read the part of a film that was kept before: its borders are not judged anew."""
    film, metadata = _decoded(data, replace(options, least_side=least_side))
    rows, columns = film.pixels.shape
    top, left = film.origin.place(*origin.at(*extent[:2]))
    bottom, right = film.origin.place(*origin.at(*extent[2:]))
    high, low = max(0, round(top)), min(rows, round(bottom))
    first, last = max(0, round(left)), min(columns, round(right))
    return _radiograph(cut_off(film, high, first, low, last), metadata)
