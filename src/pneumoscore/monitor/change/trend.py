"""A robust local trend over irregular times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.error_model import ScaleError

__all__ = ["Trend", "local_trend"]

_HUBER = 1.345
_ROUNDS = 30
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Trend:
    """Level and slope of a series at one time.

    Attributes
    ----------
    level, level_low, level_high : float
        In points, with a 95 % interval.
    slope, slope_low, slope_high : float or None
        Points a day, with a 95 % interval; None with under three films in the window, or with
        all of them at one time.
    films : int
        In the window.
    """

    level: float
    level_low: float
    level_high: float
    slope: float | None
    slope_low: float | None
    slope_high: float | None
    films: int


def local_trend(
    days: Sequence[float],
    values: Sequence[float],
    errors: ScaleError,
    *,
    at: float,
    half_width: float,
) -> Trend | None:
    """Fit a line around one time, with weights that fall with the distance in time.

    Tricube weights in time (Cleveland 1979, J Am Stat Assoc 74: 829-836), Huber weights
    (k = 1.345) against single films that stand out, and standard errors from the model's
    test-retest error, widened where the films scatter more about the line than that error
    says.

    Parameters
    ----------
    days : sequence of float, shape (n,)
        Times in days.
    values : sequence of float, shape (n,)
        Scores.
    errors : ScaleError
        Error of one film.
    at : float
        The time, in days.
    half_width : float
        Films farther away than this, in days, do not count.

    Returns
    -------
    Trend or None
        None without a film in the window.
    """
    times = np.asarray(days, dtype=np.float64) - at
    near = np.abs(times) < half_width
    times, scores = times[near], np.asarray(values, dtype=np.float64)[near]
    if not len(times):
        return None
    nearness = (1.0 - (np.abs(times) / half_width) ** 3) ** 3
    with_slope = len(times) >= 3 and np.ptp(times) > 0.0
    design = np.stack([np.ones_like(times), times], axis=1)[:, : 2 if with_slope else 1]
    sd = np.array([errors.sd(score) for score in scores])
    fitted, covariance = _huber(design, scores, nearness, sd)
    level, level_half = float(fitted[0]), _Z * float(np.sqrt(covariance[0, 0]))
    slope = slope_low = slope_high = None
    if with_slope:
        half = _Z * float(np.sqrt(covariance[1, 1]))
        slope = float(fitted[1])
        slope_low, slope_high = slope - half, slope + half
    return Trend(
        level, level - level_half, level + level_half, slope, slope_low, slope_high, len(times)
    )


def _huber(
    design: NDArray[np.float64],
    scores: NDArray[np.float64],
    nearness: NDArray[np.float64],
    sd: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients and their covariance, by iteratively reweighted least squares."""
    weights = nearness / sd**2
    fitted: NDArray[np.float64] = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        gram = design.T @ (design * weights[:, None])
        before = fitted
        fitted = np.asarray(
            np.linalg.lstsq(gram, design.T @ (weights * scores), rcond=None)[0], dtype=np.float64
        )
        residual = np.abs(scores - design @ fitted) / sd
        trust = np.minimum(1.0, _HUBER / np.maximum(residual, 1e-12))
        weights = nearness / sd**2 * trust
        if np.allclose(before, fitted, atol=1e-9):
            break
    bread = np.linalg.pinv(design.T @ (design * weights[:, None]))
    meat = design.T @ (design * ((weights * sd) ** 2)[:, None])
    excess = np.average(np.minimum(residual, 3.0) ** 2, weights=nearness)
    spread = max(1.0, float(excess) * len(scores) / max(1, len(scores) - design.shape[1]))
    covariance: NDArray[np.float64] = bread @ meat @ bread * spread
    return fitted, covariance
