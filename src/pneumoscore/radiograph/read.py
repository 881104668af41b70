"""One call for every kind of file."""

from __future__ import annotations

import numpy as np

from pneumoscore.radiograph.borders import trimmed
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.notices import notices_of
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
    kind = kind_of(data)
    metadata = RadiographMetadata()
    if kind == "DICOM":
        from pneumoscore.radiograph.dicom import read_dicom

        film, metadata = read_dicom(data, options)
    else:
        from pneumoscore.radiograph.raster import read_raster

        film = read_raster(data, kind, options)
    del data
    if options.trim:
        film = trimmed(film)
    pixels = np.ascontiguousarray(film.pixels)
    # Frozen, the array is taken over without a copy.
    pixels.setflags(write=False)
    return Radiograph(pixels, film.transforms, metadata, notices_of(pixels), film.origin)
