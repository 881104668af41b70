"""Two films in one picture: each half looks like a whole chest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.inversion import polarity

__all__ = ["holds_two_films"]

_LIKE_A_CHEST = 0.3
_MORE_THAN_THE_WHOLE = 0.03
# Pictures as wide as this hold two films unless the whole is much more like one.
_WIDE, _MUCH = 1.6, 0.2
_TALL = 0.72


def holds_two_films(pixels: NDArray[np.float32]) -> bool:
    """Tell two frontal films side by side, or one above the other, from one film.

    Each half is compared with a mean film (`polarity`). Side by side, both halves are like a
    chest, and more so than the whole; a wide picture needs less of that. One above the other,
    both halves of a picture much higher than wide are like a chest.
    `benchmarks/two_films.py` prints how well this tells pairs from single films.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1], upright.

    Returns
    -------
    bool
        Whether there are two.
    """
    rows, columns = pixels.shape
    if min(rows, columns) < 2:
        return False
    aspect = columns / rows
    if aspect <= _TALL:
        upper, lower = pixels[: rows // 2], pixels[rows // 2 :]
        return min(polarity(upper), polarity(lower)) >= _LIKE_A_CHEST
    halves = min(polarity(pixels[:, : columns // 2]), polarity(pixels[:, columns // 2 :]))
    if halves < _LIKE_A_CHEST:
        return False
    more = halves - polarity(pixels)
    return more > _MORE_THAN_THE_WHOLE or (aspect >= _WIDE and more > -_MUCH)
