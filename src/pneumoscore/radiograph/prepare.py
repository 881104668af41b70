"""From a film to a backbone's input, and from a coarse map back to the film."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.types import InputSpec, Placement, PreparedRadiograph, Radiograph

__all__ = ["film_map", "prepare"]

_MIN_SD = 1e-6


def _fit(length: int, scale: float, size: int) -> tuple[int, float]:
    """Return whole input pixels a side covers, and the film position where they begin.

    The covered part is centred and never longer than the side, so that one scale serves both
    axes exactly; less than one input pixel of the film is left out.
    """
    covered = min(size, max(1, math.floor(length * scale + 1e-9)))
    return covered, max(0.0, (length - covered / scale) / 2)


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


def _ranged(film: NDArray[np.float32], pixel_range: str) -> NDArray[np.float32]:
    """Map [0, 1] to the range that the backbone was trained on."""
    if pixel_range == "unit":
        return film
    if pixel_range == "signed_1024":
        return film * np.float32(2048) - np.float32(1024)
    deviation = float(film.std(dtype=np.float64))
    if deviation < _MIN_SD:
        return np.zeros_like(film)
    return (film - np.float32(film.mean(dtype=np.float64))) / np.float32(deviation)


def prepare(radiograph: Radiograph, spec: InputSpec) -> PreparedRadiograph:
    """Make a radiograph what a backbone takes.

    ``"pad"``: the longer side becomes ``spec.size`` and the film is centred. ``"crop"``: the
    central square becomes ``spec.size`` (Cohen et al. 2020, Methods). Resampling is bilinear
    with antialiasing, the same for every file format.

    Parameters
    ----------
    radiograph : Radiograph
        The film.
    spec : InputSpec
        Size, squaring and pixel range. Padding is 0 after ``"standardised"`` and ``"unit"``,
        -1024 (black) after ``"signed_1024"``.

    Returns
    -------
    PreparedRadiograph
        The input, and where the film lies in it. ``"standardised"`` uses mean and standard
        deviation of the resized film without its padding; a constant film becomes 0.

    Raises
    ------
    ValueError
        If `spec` names an unknown squaring or range, or its size is not positive.
    """
    if spec.squaring not in ("pad", "crop"):
        raise ValueError(f"squaring is {spec.squaring!r}; expected 'pad' or 'crop'")
    if spec.pixel_range not in ("standardised", "signed_1024", "unit"):
        raise ValueError(f"pixel_range is {spec.pixel_range!r}; see InputSpec")
    if spec.size < 1:
        raise ValueError(f"size is {spec.size}; expected a positive number")
    rows, columns = radiograph.pixels.shape
    if spec.squaring == "crop":
        side = min(rows, columns)
        scale = spec.size / side
        top, left = rows // 2 - side // 2, columns // 2 - side // 2
        box = (float(left), float(top), float(left + side), float(top + side))
        film = _resized(radiograph.pixels, box, spec.size, spec.size)
        array = _ranged(film, spec.pixel_range)
        placement = Placement(scale, -top * scale, -left * scale, (rows, columns))
        return PreparedRadiograph(np.ascontiguousarray(array[np.newaxis]), placement)
    scale = spec.size / max(rows, columns)
    high, upper = _fit(rows, scale, spec.size)
    wide, left_edge = _fit(columns, scale, spec.size)
    box = (
        left_edge,
        upper,
        min(float(columns), left_edge + wide / scale),
        min(float(rows), upper + high / scale),
    )
    film = _resized(radiograph.pixels, box, high, wide)
    padding = -1024.0 if spec.pixel_range == "signed_1024" else 0.0
    array = np.full((1, spec.size, spec.size), padding, dtype=np.float32)
    row, column = (spec.size - high) // 2, (spec.size - wide) // 2
    array[0, row : row + high, column : column + wide] = _ranged(film, spec.pixel_range)
    placement = Placement(scale, row - upper * scale, column - left_edge * scale, (rows, columns))
    return PreparedRadiograph(array, placement)


def _weights(
    length: int, offset: float, scale: float, size: int, places: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return for each film pixel its two neighbours on the map and the second one's weight."""
    centres = (np.arange(length) + 0.5) * scale + offset
    position = np.clip(centres * (places / size) - 0.5, 0, places - 1)
    first = np.minimum(position.astype(np.intp), max(0, places - 2))
    second = np.minimum(first + 1, places - 1)
    return first, second, (position - first).astype(np.float32)


def film_map(
    map_: NDArray[np.floating], placement: Placement, input_size: int
) -> NDArray[np.float32]:
    """Spread a coarse map of a backbone's input over the film, bilinearly.

    Only the geometry is kept: values are interpolated between the centres of the map's places
    and held constant beyond the outer ones; their sum is not preserved.

    Parameters
    ----------
    map_ : ndarray, shape (map rows, map columns)
        Covers the whole square input.
    placement : Placement
        Where the film lies in the input.
    input_size : int
        Rows and columns of the input.

    Returns
    -------
    ndarray of float32, shape ``placement.film_shape``
        One value for each film pixel.
    """
    values = np.asarray(map_, dtype=np.float32)
    rows, columns = placement.film_shape
    first, second, share = _weights(
        columns, placement.left, placement.scale, input_size, values.shape[1]
    )
    across = values[:, first] * (1 - share) + values[:, second] * share
    first, second, share = _weights(
        rows, placement.top, placement.scale, input_size, values.shape[0]
    )
    down = across[first]
    down += (across[second] - down) * share[:, np.newaxis]
    return down
