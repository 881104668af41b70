"""Colours of maps: a diverging colour map of even lightness steps, and its blend with a film."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["blend", "map_colours"]

Pixels = NDArray[np.uint8]

# Control points in OKLCh (Ottosson 2020, "A perceptual color space for image processing"):
# lightness, chroma, hue in degrees. Lightness rises with the magnitude on both arms, so that
# the order can be told without telling the hues.
_MORE = ((0.42, 0.15, 15.0), (0.60, 0.20, 32.0), (0.75, 0.17, 62.0), (0.90, 0.15, 98.0))
_LESS = ((0.40, 0.13, 275.0), (0.56, 0.13, 252.0), (0.72, 0.12, 225.0), (0.88, 0.09, 200.0))
_STRONGEST = 0.72
_STEPS = 127
"""Steps of the blend from 0 to either end: both arms fit a palette of 256 colours."""
_LMS_OF_LAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_OF_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def map_colours(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return sRGB colours of values of a map.

    Parameters
    ----------
    values : ndarray
        From -1 (pale blue, lowers the score most) over 0 (dark) to 1 (pale yellow, raises it
        most).

    Returns
    -------
    ndarray of float64, shape ``values.shape + (3,)``
        In [0, 1].
    """
    size = np.clip(np.abs(values), 0.0, 1.0)
    more, less = _arm(_MORE, size), _arm(_LESS, size)
    return np.where((np.asarray(values) >= 0.0)[..., None], more, less)


def _arm(points: tuple[tuple[float, float, float], ...], size: Any) -> NDArray[np.float64]:
    places = np.linspace(0.0, 1.0, len(points))
    columns = np.array(points).T
    lightness, chroma, hue = (np.interp(size, places, column) for column in columns)
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    linear = np.clip((lab @ _LMS_OF_LAB.T) ** 3 @ _RGB_OF_LMS.T, 0.0, 1.0)
    curved = 1.055 * np.maximum(linear, 1e-9) ** (1.0 / 2.4) - 0.055
    colours: NDArray[np.float64] = np.where(linear <= 0.0031308, 12.92 * linear, curved)
    return colours


def blend(grey: Pixels, values: NDArray[np.floating[Any]]) -> Pixels:
    """Lay a map over a film, the stronger the more opaque.

    Parameters
    ----------
    grey : ndarray of uint8, shape (rows, columns)
        The film.
    values : ndarray, shape (rows, columns)
        In [-1, 1], what lies beyond is drawn as its end; where 0, the film stays as it is.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    from PIL import Image

    steps = np.rint(np.clip(values, -1.0, 1.0) * _STEPS).astype(np.int16) + _STEPS
    index = Image.fromarray(steps.astype(np.uint8))
    palette, opacity = _blend_tables()
    colours = index.copy()
    colours.putpalette(palette)
    mixed = Image.composite(
        colours.convert("RGB"), Image.fromarray(grey).convert("RGB"), index.point(opacity)
    )
    return np.asarray(mixed)


@cache
def _blend_tables() -> tuple[bytes, list[int]]:
    """Return the palette of a map's steps, and how opaque each is, 0 to 255."""
    values = np.arange(-_STEPS, _STEPS + 2) / _STEPS
    opacity = np.rint(255.0 * _STRONGEST * np.minimum(np.abs(values), 1.0) ** 1.2)
    colours = np.rint(255.0 * map_colours(values)).astype(np.uint8)
    return colours.tobytes(), [int(value) for value in opacity]
