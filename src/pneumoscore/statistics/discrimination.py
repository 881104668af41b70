"""Discrimination of an outcome, or of films above a cut-point, by a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["auroc"]


def auroc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve.

    The chance that a film with the outcome scores higher than one without, ties half
    (Hanley and McNeil 1982, Radiology 143: 29-36).

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Which have the outcome.
    score : ndarray of float, shape (n,)
        Higher speaks for the outcome.

    Returns
    -------
    float
        NaN where all or none have the outcome.
    """
    count = int(positive.sum())
    others = len(positive) - count
    if count == 0 or others == 0:
        return float("nan")
    ranks = rankdata(score)
    return float(ranks[positive].sum() - count * (count + 1) / 2) / (count * others)
