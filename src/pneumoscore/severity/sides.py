"""The parts of a score that belong to the right and to the left lung.

The rule, in order:

1. Each place of the contribution map goes to one lung. Where the backbone shows lung (a
   share of at least 5 %), it goes to the lung with the greater share. Everywhere else the
   midline decides: right of the patient, which is left in the image, is the right lung; a
   place that the midline crosses is shared by area.
2. The midline is half-way between the centres of the two lungs; without a lung output, or
   if one lung is not seen, it is the middle column of the input.
3. The intercept is shared half and half.
4. A scale gives each lung half its range, so each part is clipped to that half, both are
   multiplied by one factor so that they sum to the value, and what then exceeds one
   lung's half goes to the other lung.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.severity.scale import Scale

__all__ = ["midline", "right_share", "split_sides"]

_LEAST_SHARE = 0.05
_LEAST_LUNG = 0.01  # of all places, for a lung to count as seen


def midline(lungs: NDArray[np.floating[Any]]) -> float:
    """Return the column between the lungs.

    Parameters
    ----------
    lungs : ndarray, shape (2, rows, columns)
        Share of each place that is the patient's right (0) and left (1) lung.

    Returns
    -------
    float
        Position of the midline in columns from the left edge of the image, half-way
        between the centres of the two lungs; the middle if a lung is not seen or they
        lie on the wrong sides.
    """
    columns = int(lungs.shape[2])
    centres = np.arange(columns) + 0.5
    mass = lungs.astype(np.float64).sum(axis=1)
    if mass.sum(axis=1).min() < _LEAST_LUNG * lungs.shape[1] * columns:
        return columns / 2
    right, left = ((mass @ centres) / mass.sum(axis=1)).tolist()
    middle: float = (right + left) / 2 if right < left else columns / 2
    return middle


def right_share(
    shape: tuple[int, int], lungs: NDArray[np.floating[Any]] | None = None
) -> NDArray[np.float64]:
    """Return how much of each place counts for the right lung (rules 1 and 2).

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the map.
    lungs : ndarray, shape (2, rows, columns), optional
        As in `midline`.

    Returns
    -------
    ndarray of float64, shape (rows, columns)
        In [0, 1].
    """
    rows, columns = shape
    middle = columns / 2 if lungs is None else midline(lungs)
    share = np.tile(np.clip(middle - np.arange(columns), 0.0, 1.0), (rows, 1))
    if lungs is None:
        return share
    right, left = lungs.astype(np.float64)
    seen = (np.maximum(right, left) >= _LEAST_SHARE) & (right != left)
    return np.where(seen, (right > left).astype(np.float64), share)


def split_sides(
    value: float,
    intercept: float,
    contributions: NDArray[np.floating[Any]],
    scale: Scale,
    lungs: NDArray[np.floating[Any]] | None = None,
) -> tuple[float, float]:
    """Return the right and the left part of a score.

    Parameters
    ----------
    value : float
        The score, clipped to the scale.
    intercept : float
        What the score is without any contribution.
    contributions : ndarray, shape (rows, columns)
        Contribution map.
    scale : Scale
        Whose range both lungs share.
    lungs : ndarray, shape (2, rows, columns), optional
        The backbone's lung output.

    Returns
    -------
    right, left : float
        Each in half the scale's range; ``right + left`` is `value` to rounding.
    """
    of_right = right_share((contributions.shape[0], contributions.shape[1]), lungs)
    places = contributions.astype(np.float64)
    floor, ceiling = scale.low / 2, scale.high / 2
    right = min(max(float((places * of_right).sum()) + intercept / 2, floor), ceiling) - floor
    left = min(max(float((places * (1 - of_right)).sum()) + intercept / 2, floor), ceiling) - floor
    excess = value - scale.low
    share = right / (right + left) if right + left > 0 else 0.5
    half = ceiling - floor
    right_part = min(max(share * excess, excess - half), half)
    return floor + right_part, value - (floor + right_part)
