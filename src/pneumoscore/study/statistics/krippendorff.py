"""Krippendorff's alpha: agreement of any number of readers, ratings missing at will.

Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability (University of
Pennsylvania, Annenberg School), section D and E.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["krippendorff_alpha"]


def _squared_differences(
    scores: NDArray[np.float64], totals: NDArray[np.float64], metric: str
) -> NDArray[np.float64]:
    if metric == "nominal":
        return np.asarray(scores[:, None] != scores[None, :], dtype=np.float64)
    if metric == "interval":
        return np.asarray(np.square(scores[:, None] - scores[None, :]), dtype=np.float64)
    if metric == "ordinal":
        # Scores between two ranks count in full, the two ends by half.
        middles = np.cumsum(totals) - totals / 2
        return np.asarray(np.square(middles[:, None] - middles[None, :]), dtype=np.float64)
    raise ValueError(f"metric is {metric!r}; expected nominal, ordinal or interval")


def krippendorff_alpha(values: NDArray[np.float64], metric: str = "interval") -> float:
    """Return Krippendorff's alpha.

    Parameters
    ----------
    values : ndarray of float, shape (films, readers)
        Scores, NaN where a reader gave none; films with fewer than two scores do not count.
    metric : {"interval", "ordinal", "nominal"}
        How far apart two scores are.

    Returns
    -------
    float
        1 for perfect agreement, 0 for that of chance; NaN where no two scores are pairable
        or all scores are equal.
    """
    present = np.isfinite(values)
    pairable = present.sum(axis=1) >= 2
    values, present = values[pairable], present[pairable]
    if not present.any():
        return float("nan")
    scores = np.unique(values[present])
    # counts[u, c]: how many readers gave film u the score c.
    counts = (values[:, :, None] == scores[None, None, :]).sum(axis=1).astype(np.float64)
    readers = counts.sum(axis=1)
    weighted = counts / (readers - 1)[:, None]
    coincidences = weighted.T @ counts - np.diag(weighted.sum(axis=0))
    totals = coincidences.sum(axis=1)
    distances = _squared_differences(scores, totals, metric)
    total = float(totals.sum())
    expected = float(totals @ distances @ totals) / (total - 1)
    if expected == 0:
        return float("nan")
    return 1.0 - float((coincidences * distances).sum()) / expected
