"""Calibration: whether a score of 4 means 4 on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CalibrationBin", "calibration_curve", "calibration_line"]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Films with similar predictions.

    Attributes
    ----------
    prediction, truth : float
        Means over the bin's films.
    films : int
        How many.
    """

    prediction: float
    truth: float
    films: int


def calibration_line(
    truth: NDArray[np.float64], prediction: NDArray[np.float64]
) -> tuple[float, float]:
    """Return slope and intercept of the labels on the predictions.

    A slope under 1 says that the predictions are too far spread, over 1 too little (Steyerberg
    2019, Clinical Prediction Models, section 15.3); NaN where the predictions do not vary.
    """
    centred = prediction - prediction.mean()
    spread = float(centred @ centred)
    if spread == 0:
        return float("nan"), float("nan")
    slope = float(centred @ truth) / spread
    return slope, float(truth.mean() - slope * prediction.mean())


def calibration_curve(
    truth: NDArray[np.float64], prediction: NDArray[np.float64], bins: int = 8
) -> tuple[CalibrationBin, ...]:
    """Return mean label against mean prediction in bins of equally many films.

    Parameters
    ----------
    truth, prediction : ndarray of float, shape (films,)
        Labels and predictions.
    bins : int, optional
        At most this many, fewer with few films.
    """
    order = np.argsort(prediction, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order))))
    return tuple(
        CalibrationBin(float(prediction[part].mean()), float(truth[part].mean()), len(part))
        for part in parts
        if len(part)
    )
