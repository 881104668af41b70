"""What the pixels alone say of a film: inverted, two films, almost constant, too few."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.inversion import looks_inverted
from pneumoscore.radiograph.reduction import block_factor, block_means
from pneumoscore.radiograph.two_films import holds_two_films

__all__ = ["MIN_SIDE", "MIN_SPREAD", "notices_of", "spread_of"]

MIN_SIDE = 96
"""Fewer rows or columns than this give the notice ``too_few_pixels``: more than four fifths of
what a network with an input of 224 pixels sees were interpolated."""

MIN_SPREAD = 0.02
"""A film whose 1 to 99 percentile spans less than this is ``almost_constant``."""

_ENOUGH = 128
_SAMPLE = 60_000  # pixels that tell the spread


def spread_of(pixels: NDArray[np.float32]) -> float:
    """Return the difference of the 99th and the 1st percentile of a film's pixels.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1]; of large films a grid of some 60,000 is looked at.
    """
    step = max(1, int(np.sqrt(pixels.size / _SAMPLE)))
    sample = pixels[::step, ::step].ravel()
    # np.percentile interpolates between the same two, after an import that takes longer.
    places = [share * (sample.size - 1) for share in (0.01, 0.99)]
    ends = [end for place in places for end in (math.floor(place), math.ceil(place))]
    # Sorted whole: NumPy has vector instructions for that, and none for four places at once.
    found = np.sort(sample)[ends].astype(np.float64)
    low, high = (
        found[2 * i] + (place - ends[2 * i]) * (found[2 * i + 1] - found[2 * i])
        for i, place in enumerate(places)
    )
    return float(high - low)


def notices_of(pixels: NDArray[np.float32]) -> tuple[str, ...]:
    """Return the names of what stands out in the pixels.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1].

    Returns
    -------
    tuple of str
        Of ``"too_few_pixels"``, ``"almost_constant"``, ``"two_films"``, ``"inverted"``. An
        almost constant film is not judged further, two films not for inversion.
    """
    notices = []
    if min(pixels.shape) < MIN_SIDE:
        notices.append("too_few_pixels")
    small = block_means(pixels, block_factor(pixels.shape, _ENOUGH))
    if spread_of(pixels) < MIN_SPREAD:
        notices.append("almost_constant")
    elif holds_two_films(small):
        notices.append("two_films")
    elif looks_inverted(small):
        notices.append("inverted")
    return tuple(notices)
