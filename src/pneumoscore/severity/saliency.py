"""The paper's saliency map: the squared input gradient, blurred."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SALIENCY_SIGMA", "gaussian_blur", "saliency_map"]

SALIENCY_SIGMA = 5.0
_PAPER_SIZE = 224


def gaussian_blur(image: NDArray[np.floating[Any]], sigma: float) -> NDArray[np.float64]:
    """Blur an image with a Gaussian, mirrored at the edges.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Any values.
    sigma : float
        Standard deviation in pixels, above 0; the kernel ends at four of them.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
    """
    radius = math.ceil(4 * sigma)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = image.astype(np.float64)
    for axis in (0, 1):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (radius, radius)
        padded = np.pad(blurred, margin, mode="symmetric")
        length = blurred.shape[axis]
        windows = (np.take(padded, range(i, i + length), axis=axis) for i in range(kernel.size))
        blurred = np.sum([w * k for w, k in zip(windows, kernel, strict=True)], axis=0)
    return blurred


def saliency_map(
    gradient: NDArray[np.floating[Any]], sigma: float | None = None
) -> NDArray[np.float32]:
    """Return the saliency map of one film.

    The gradient is that of the raw score: of the clipped score it would be zero at
    saturation (Cohen et al. 2020, Methods; authors' notebook).

    Parameters
    ----------
    gradient : ndarray, shape (size, size)
        Of the raw score with respect to the prepared film.
    sigma : float, optional
        Of the blur in pixels; by default the paper's 5 pixels of a film of 224 pixels,
        in proportion to the size.

    Returns
    -------
    ndarray of float32, shape (size, size)
        At least 0; only ratios within one film mean something.
    """
    if sigma is None:
        sigma = SALIENCY_SIGMA * gradient.shape[0] / _PAPER_SIZE
    squared = gradient.astype(np.float64) ** 2
    return gaussian_blur(squared, sigma).astype(np.float32)
