"""Spread that a few odd values do not carry away."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["robust_scale"]


def robust_scale(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> float:
    """Return the standard deviation around 0 by Huber's proposal 2 (k = 1.5).

    A root mean square would be carried away by a few real changes among the errors. Source:
    Huber 1964 (Ann Math Stat 35: 73-101), with the location known to be 0; consistent for
    normal errors.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Errors.
    weights : ndarray of float64, shape (n,), optional
        Of the values: 1 / (values of the patient), and all patients count alike.
    """
    bound = 1.5
    normal = NormalDist()
    inside = 2.0 * normal.cdf(bound) - 1.0
    expected = inside - 2.0 * bound * normal.pdf(bound) + bound**2 * (1.0 - inside)
    scale = float(np.sqrt(np.average(values**2, weights=weights)))
    for _ in range(200):
        if scale <= 0.0:
            return 0.0
        shrunk = np.minimum(np.abs(values) / scale, bound)
        factor = float(np.sqrt(np.average(shrunk**2, weights=weights) / expected))
        scale *= factor
        if abs(factor - 1.0) < 1e-6:
            break
    return scale
