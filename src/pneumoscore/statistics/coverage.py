"""Coverage and width of intervals, overall and by bins of the score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["coverage", "mean_width", "score_bins"]


def coverage(
    truth: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """Return the share of labels inside their interval; NaN without films."""
    return float(((truth >= low) & (truth <= high)).mean()) if len(truth) else float("nan")


def mean_width(low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """Return the mean of high minus low, in points of the scale; NaN without films."""
    return float((high - low).mean()) if len(low) else float("nan")


def score_bins(
    values: NDArray[np.float64], low: float, high: float, bins: int = 3
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return equal bins of a scale's range and which values lie in each.

    Examples
    --------
    >>> [name for name, _ in score_bins(np.array([1.0]), 0, 6)]
    ['0-2', '2-4', '4-6']
    """
    edges = np.linspace(low, high, bins + 1)
    found = []
    for index in range(bins):
        above = values >= edges[index] if index else np.ones(len(values), dtype=np.bool_)
        below = (
            values < edges[index + 1] if index < bins - 1 else np.ones(len(values), dtype=np.bool_)
        )
        found.append((f"{edges[index]:.3g}-{edges[index + 1]:.3g}", above & below))
    return found
