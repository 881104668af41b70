"""Quadratic-weighted kappa, on integer scores only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["weighted_kappa"]


def weighted_kappa(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the quadratic-weighted kappa of two readers (Fleiss and Cohen 1973).

    Parameters
    ----------
    first, second : ndarray of float, shape (films,)
        Integer scores; NaN is missing, and its film is left out.

    Returns
    -------
    float
        NaN where both readers gave one and the same score throughout.

    Raises
    ------
    ValueError
        If a score is no integer: rounding means to fit kappa would invent agreement.
    """
    kept = np.isfinite(first) & np.isfinite(second)
    first, second = first[kept], second[kept]
    if len(first) == 0:
        return float("nan")
    if (first % 1 != 0).any() or (second % 1 != 0).any():
        raise ValueError("scores are not integers; weighted kappa needs raw integer scores")
    # With quadratic weights kappa needs no table: observed over expected squared difference.
    observed = float(np.square(first - second).mean())
    expected = float(first.var() + second.var() + (first.mean() - second.mean()) ** 2)
    return float("nan") if expected == 0 else 1.0 - observed / expected
