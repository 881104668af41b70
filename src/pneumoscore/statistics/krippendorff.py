"""Krippendorff's alpha: agreement of any number of readers, ratings missing at will.

Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability (University of
Pennsylvania, Annenberg School), section E.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["krippendorff_alpha"]


def krippendorff_alpha(values: NDArray[np.float64], metric: str = "interval") -> float:
    """Return Krippendorff's alpha.

    Parameters
    ----------
    values : ndarray of float, shape (films, readers)
        Scores, NaN where a reader gave none; films with fewer than two scores do not count.
    metric : {"interval", "ordinal"}
        How far apart two scores are: their squared difference, or that of their mean ranks
        among all pairable scores, which is Krippendorff's ordinal metric.

    Returns
    -------
    float
        1 for perfect agreement, 0 for that of chance; NaN where no two scores are pairable
        or all scores are equal.

    Raises
    ------
    ValueError
        If the metric is another.
    """
    if metric not in ("interval", "ordinal"):
        raise ValueError(f"metric is {metric!r}; expected interval or ordinal")
    present = np.isfinite(values)
    pairable = present.sum(axis=1) >= 2
    values, present = values[pairable], present[pairable]
    scores = values[present]
    if len(scores) == 0:
        return float("nan")
    if metric == "ordinal":
        scores = rankdata(scores)
    films = np.nonzero(present)[0]
    readers = np.bincount(films).astype(np.float64)
    means = np.bincount(films, weights=scores) / readers
    within = np.bincount(films, weights=np.square(scores - means[films]))
    # Summed over ordered pairs, (a - b)^2 is twice the count times the squares about the mean.
    observed = float((2 * readers * within / (readers - 1)).sum()) / len(scores)
    expected = 2 * float(np.square(scores - scores.mean()).sum()) / (len(scores) - 1)
    return 1.0 - observed / expected if expected > 0 else float("nan")
