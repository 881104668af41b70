"""From a film to a backbone's input, and from a coarse map back to the film."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.types import (
    InputSpec,
    PixelRange,
    Placement,
    PreparedRadiograph,
    Radiograph,
    Squaring,
)

__all__ = ["Frame", "central_square", "film_map", "framed", "prepare", "whole_film"]

_DETAIL = 2  # pixels of a film, along a side, for one of a backbone's input
_MIN_SD = 1e-6
_SLIVER = 1e-2


@dataclass(frozen=True, slots=True)
class Frame:
    """A square part of a film, which may reach beyond it.

    Attributes
    ----------
    top, left : float
        Its upper left corner, in film pixels.
    side : float
        Its length, in film pixels.
    """

    top: float
    left: float
    side: float


def whole_film(radiograph: Radiograph) -> Frame:
    """Return the smallest square around a film, centred on it."""
    top, left, bottom, right = radiograph.extent
    side = max(bottom - top, right - left)
    return Frame((top + bottom - side) / 2, (left + right - side) / 2, side)


def central_square(radiograph: Radiograph) -> Frame:
    """Return the largest square within a film, centred on it."""
    top, left, bottom, right = radiograph.extent
    high, wide = bottom - top, right - left
    side = min(high, wide)
    # Halves are whole pixels; of a film that ends within one, the square must not reach beyond.
    down, across = (min(length // 2 - side // 2, length - side) for length in (high, wide))
    return Frame(top + down, left + across, side)


def _covered(start: float, length: float, size: int) -> tuple[int, int]:
    """Return the first and the end of the input pixels that lie wholly on the film.

    `start` and `length` are the film's in input pixels; at least one pixel is covered.
    """
    first = min(max(math.ceil(start - 1e-9), 0), size - 1)
    end = min(math.floor(start + length + 1e-9), size)
    return first, max(end, first + 1)


def _resized(
    pixels: NDArray[np.float32],
    box: tuple[float, float, float, float],
    rows: int,
    columns: int,
) -> NDArray[np.float32]:
    """Resize a part of a film; antialiased when it shrinks.

    `box` is left, upper, right, lower in film pixels.
    """
    from PIL import Image

    image = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image, dtype=np.float32)


def _ranged(film: NDArray[np.float32], pixel_range: PixelRange) -> NDArray[np.float32]:
    """Map [0, 1] to the range that the backbone was trained on."""
    if pixel_range is PixelRange.UNIT:
        return film
    if pixel_range is PixelRange.SIGNED_1024:
        return film * np.float32(2048) - np.float32(1024)
    deviation = float(film.std(dtype=np.float64))
    if deviation < _MIN_SD:
        return np.zeros_like(film)
    return (film - np.float32(film.mean(dtype=np.float64))) / np.float32(deviation)


def framed(
    radiograph: Radiograph, frame: Frame, size: int
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """Resample a square part of a film, bilinearly with antialiasing.

    Parameters
    ----------
    radiograph : Radiograph
        The film.
    frame : Frame
        The part; some of it lies on the film.
    size : int
        Rows and columns that the frame becomes.

    Returns
    -------
    ndarray of float32
        The film's part of the frame: whole input pixels only, so that one scale serves both
        axes exactly. Less than one input pixel of the film is left out at an end.
    tuple of slice
        Rows and columns of the input that this part covers.
    """
    scale = size / frame.side
    top, left, bottom, right = radiograph.extent
    upper, lower = _covered((top - frame.top) * scale, (bottom - top) * scale, size)
    first, end = _covered((left - frame.left) * scale, (right - left) * scale, size)
    # A frame that touches the film by less than an input pixel still shows a sliver of it.
    start = min(max(frame.left + first / scale, left), right - _SLIVER)
    highest = min(max(frame.top + upper / scale, top), bottom - _SLIVER)
    box = (
        start,
        highest,
        max(start + _SLIVER, min(right, frame.left + end / scale)),
        max(highest + _SLIVER, min(bottom, frame.top + lower / scale)),
    )
    film = _resized(radiograph.pixels, box, lower - upper, end - first)
    return film, (slice(upper, lower), slice(first, end))


def _placement(radiograph: Radiograph, frame: Frame, size: int) -> Placement:
    """Return where a film lies in an input of `size` pixels a side that shows a frame of it."""
    scale = size / frame.side
    shape = radiograph.rows, radiograph.columns
    return Placement(scale, -frame.top * scale, -frame.left * scale, shape, size)


def _in_detail(radiograph: Radiograph, frame: Frame, wanted: int) -> tuple[Radiograph, Frame]:
    """Return a film, read again if it is too coarse, and the frame on its pixels.

    `wanted` is the length in film pixels that the frame should have.
    """
    origin = radiograph.origin
    if radiograph.finer is None or origin is None or frame.side >= wanted:
        return radiograph, frame
    factor = origin.stored_pixels * frame.side / wanted  # that leaves just as many
    film = radiograph.finer(math.ceil(min(origin.shape) / factor) if factor > 1 else None)
    if film.origin is None:
        return radiograph, frame
    top, left = film.origin.place(*origin.at(frame.top, frame.left))
    bottom, _ = film.origin.place(*origin.at(frame.top + frame.side, frame.left))
    return film, Frame(top, left, bottom - top)


def prepare(
    radiograph: Radiograph, spec: InputSpec, frame: Frame | None = None
) -> PreparedRadiograph:
    """Make a part of a radiograph what a backbone takes, the same for every file format.

    A film that was shrunk when it was read is read again (`Radiograph.finer`) where the part
    keeps less than two of its pixels, along a side, for each of the input's.

    `pneumoscore.backbone.lungs.prepare_film` also finds the lungs where the backbone wants
    their frame.

    Parameters
    ----------
    radiograph : Radiograph
        The film.
    spec : InputSpec
        Size, squaring and pixel range.
    frame : Frame, optional
        The part of the film that is shown; by default the central square with
        ``Squaring.CROP``, else the whole film.

    Returns
    -------
    PreparedRadiograph
        The input, and where `radiograph` lies in it. ``PixelRange.STANDARDISED`` uses mean and
        standard deviation of the resized film without its padding; a constant film becomes 0.

    Raises
    ------
    UnreadableFileError, UnsupportedImageError, ImageTooLargeError
        If the film must be read again and cannot be.
    """
    if frame is None:
        cropped = spec.squaring is Squaring.CROP
        frame = central_square(radiograph) if cropped else whole_film(radiograph)
    film, (rows, columns) = framed(*_in_detail(radiograph, frame, _DETAIL * spec.size), spec.size)
    padding = -1024.0 if spec.pixel_range is PixelRange.SIGNED_1024 else 0.0
    array = np.full((1, spec.size, spec.size), padding, dtype=np.float32)
    array[0, rows, columns] = _ranged(film, spec.pixel_range)
    return PreparedRadiograph(array, _placement(radiograph, frame, spec.size))


def _weights(
    length: int, offset: float, placement: Placement, places: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """Return for each film pixel its two neighbours on the map and the second one's weight.

    And whether the pixel lies in the input, or less than an input pixel beside it.
    """
    centres = (np.arange(length) + 0.5) * placement.scale + offset
    position = np.clip(centres * (places / placement.input_size) - 0.5, 0, places - 1)
    first = np.minimum(position.astype(np.intp), max(0, places - 2))
    second = np.minimum(first + 1, places - 1)
    seen = (centres > -1) & (centres < placement.input_size + 1)
    return first, second, (position - first).astype(np.float32), seen


def film_map(map_: NDArray[np.floating], placement: Placement) -> NDArray[np.float32]:
    """Spread a coarse map of a backbone's input over the film, bilinearly.

    Only the geometry is kept: values are interpolated between the centres of the map's places
    and held constant beyond the outer ones; their sum is not preserved. What the input does not
    show of the film is 0.

    Parameters
    ----------
    map_ : ndarray, shape (map rows, map columns)
        Covers the whole square input.
    placement : Placement
        Where the film lies in the input.

    Returns
    -------
    ndarray of float32, shape ``placement.film_shape``
        One value for each film pixel.
    """
    values = np.asarray(map_, dtype=np.float32)
    rows, columns = placement.film_shape
    first, second, share, seen = _weights(columns, placement.left, placement, values.shape[1])
    across = (values[:, first] * (1 - share) + values[:, second] * share) * seen
    first, second, share, seen = _weights(rows, placement.top, placement, values.shape[0])
    down = across[first]
    down += (across[second] - down) * share[:, np.newaxis]
    down[~seen] = 0.0
    return down
