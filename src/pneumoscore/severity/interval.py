"""Intervals from the errors on unseen patients, with several films for each patient.

The arithmetic is that of split conformal prediction, without its guarantee: the spread is fitted
on the residuals that the quantile is taken of, and the residuals of a cross-validation's fits are
not the model's own. Coverage is near the level, a little under it with few patients
(docs/model-card.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscore.errors import ModelError
from pneumoscore.severity.scale import Scale

__all__ = ["ConformalInterval", "fit_conformal"]

_KNOTS = 9
_BANDWIDTH = 1 / 8  # of the scale's range
_PSEUDO_PATIENTS = 4.0
_SMALLEST_SPREAD = 0.2  # of the mean absolute error


@dataclass(frozen=True, slots=True, eq=False)
class ConformalInterval:
    """Residuals of unseen patients, and the interval that follows from them.

    A residual is ``|target - prediction| / spread(prediction)``; `spread` lets the
    intervals be narrower where the model errs less, usually near the ends of the scale.

    Attributes
    ----------
    residuals : ndarray of float64, shape (m,)
        Normalised residuals of m calibration films, ascending, at least 0.
    weights : ndarray of float64, shape (m,)
        One over the number of films of the residual's patient, in the same order.
    knots : ndarray of float64, shape (j,)
        Predicted values, strictly ascending.
    spreads : ndarray of float64, shape (j,)
        Expected absolute error at the knots, in points of the scale, above 0; linear
        between them, constant outside.
    """

    residuals: NDArray[np.float64]
    weights: NDArray[np.float64]
    knots: NDArray[np.float64]
    spreads: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("residuals", "weights", "knots", "spreads"):
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
                raise ModelError(f"{name} of an interval", "a list of finite numbers")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.residuals.shape != self.weights.shape or self.knots.shape != self.spreads.shape:
            raise ModelError("an interval whose lists differ in length", "lists of equal length")
        if self.residuals.min() < 0 or (np.diff(self.residuals) < 0).any():
            raise ModelError("residuals that fall or are negative", "ascending residuals")
        if self.weights.min() <= 0 or self.weights.max() > 1 or self.spreads.min() <= 0:
            raise ModelError("an interval with a weight or spread out of range", "values above 0")
        if (np.diff(self.knots) <= 0).any():
            raise ModelError("knots that do not ascend", "strictly ascending knots")

    @property
    def patients(self) -> int:
        """Number of calibration patients."""
        return round(float(self.weights.sum()))

    def spread(self, value: float) -> float:
        """Return the expected absolute error of a predicted value."""
        return float(np.interp(value, self.knots, self.spreads))

    def quantile(self, level: float) -> float:
        """Return the normalised residual that about a share `level` of new films stays under.

        Each of P calibration patients holds the mass 1 / (P + 1), shared by the films of
        the patient, and the new patient holds the rest at infinity. With a spread known
        beforehand the interval would cover a film of a new patient with a probability of at
        least `level`, however alike the films of one patient are (Lee, Barber and Willett,
        arXiv 2306.06342, Theorem 1; the average over draws of one film for each patient that
        Dunn, Wasserman and Ramdas propose, arXiv 1809.07441). The spread of `fit_conformal`
        has seen the same residuals: coverage is near `level`, a little under it with few
        patients.

        Returns
        -------
        float
            Infinite if the calibration patients are too few for the level.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level is {level}; expected a number between 0 and 1")
        mass = np.cumsum(self.weights) / (self.weights.sum() + 1.0)
        index = int(np.searchsorted(mass, level - 1e-9))
        return float(self.residuals[index]) if index < mass.size else math.inf

    def bounds(self, value: float, level: float, scale: Scale) -> tuple[float, float]:
        """Return the ends of the interval around a predicted value.

        Parameters
        ----------
        value : float
            Predicted value, clipped to the scale.
        level : float
            Nominal coverage, between 0 and 1.
        scale : Scale
            To whose range the ends are clipped.

        Returns
        -------
        low, high : float
            The whole range if the calibration patients are too few for the level.
        """
        half = self.quantile(level) * self.spread(value)
        return scale.clip(value - half), scale.clip(value + half)


def fit_conformal(
    predictions: ArrayLike, targets: ArrayLike, patients: Sequence[Any], scale: Scale
) -> ConformalInterval:
    """Calibrate an interval on films of patients that the predictions did not see.

    Spread and residuals come from the same films, so that coverage is approximate.

    Parameters
    ----------
    predictions : array_like, shape (m,)
        Predictions on unseen patients (held out, or out of fold); clipped here.
    targets : array_like, shape (m,)
        What the readers scored.
    patients : sequence of hashable, length m
        Patient of each film.
    scale : Scale
        Of both.

    Returns
    -------
    ConformalInterval

    Raises
    ------
    ValueError
        If the lengths differ, there is no film, or a number is not finite.
    """
    predicted = np.clip(np.asarray(predictions, dtype=np.float64), scale.low, scale.high)
    observed = np.asarray(targets, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != observed.shape or len(patients) != predicted.size:
        raise ValueError("predictions, targets and patients differ in length")
    if predicted.size == 0 or not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        raise ValueError("predictions and targets must be finite, and at least one film")
    _, group, films = np.unique(
        np.asarray([str(patient) for patient in patients]), return_inverse=True, return_counts=True
    )
    weights = 1.0 / films[group]
    errors = np.abs(observed - predicted)
    knots = np.linspace(scale.low, scale.high, _KNOTS)
    spreads = _spread_at(knots, predicted, errors, weights, scale)
    residuals = errors / np.interp(predicted, knots, spreads)
    order = np.argsort(residuals, kind="stable")
    return ConformalInterval(residuals[order], weights[order], knots, spreads)


def _spread_at(
    knots: NDArray[np.float64],
    predicted: NDArray[np.float64],
    errors: NDArray[np.float64],
    weights: NDArray[np.float64],
    scale: Scale,
) -> NDArray[np.float64]:
    """Smooth the absolute error over the predicted value, drawn towards its mean."""
    width = _BANDWIDTH * (scale.high - scale.low)
    mean = float(np.average(errors, weights=weights))
    kernel = np.exp(-0.5 * ((knots[:, None] - predicted[None, :]) / width) ** 2) * weights
    smooth = (kernel @ errors + _PSEUDO_PATIENTS * mean) / (kernel.sum(axis=1) + _PSEUDO_PATIENTS)
    smallest = max(_SMALLEST_SPREAD * mean, 1e-3 * (scale.high - scale.low))
    return np.asarray(np.maximum(smooth, smallest), dtype=np.float64)
