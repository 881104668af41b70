"""Errors and correlations of predictions against labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["mae", "mse", "pearson", "r_squared", "rmse", "spearman"]

Vector = NDArray[np.float64]


def mae(truth: Vector, prediction: Vector) -> float:
    """Return the mean absolute error, in points of the scale."""
    return float(np.abs(truth - prediction).mean())


def mse(truth: Vector, prediction: Vector) -> float:
    """Return the mean squared error, in squared points of the scale."""
    return float(np.square(truth - prediction).mean())


def rmse(truth: Vector, prediction: Vector) -> float:
    """Return the root of the mean squared error, in points of the scale."""
    return float(np.sqrt(mse(truth, prediction)))


def r_squared(truth: Vector, prediction: Vector) -> float:
    """Return the share of the labels' variance explained; negative below the mean predictor.

    NaN where the labels do not vary.
    """
    spread = float(np.square(truth - truth.mean()).sum())
    if spread == 0.0:
        return float("nan")
    return 1.0 - float(np.square(truth - prediction).sum()) / spread


def pearson(truth: Vector, prediction: Vector) -> float:
    """Return Pearson's r; NaN where either side does not vary."""
    first = truth - truth.mean()
    second = prediction - prediction.mean()
    product = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    # Rounding leaves a constant column with a spread near the machine's precision.
    if product <= 1e-12 * max(1.0, float(np.abs(truth).max() * np.abs(prediction).max())):
        return float("nan")
    return float(first @ second) / product


def spearman(truth: Vector, prediction: Vector) -> float:
    """Return Spearman's rho, ties ranked by their mean; NaN where either side is constant."""
    return pearson(rankdata(truth), rankdata(prediction))
