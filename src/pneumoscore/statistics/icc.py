"""Intraclass correlations of ratings, with intervals.

Source: McGraw and Wong 1996, Forming inferences about some intraclass correlation
coefficients (Psychological Methods 1: 30-46), Tables 4 and 7; Shrout and Fleiss 1979
(Psychological Bulletin 86: 420-428).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from pneumoscore.statistics.bootstrap import Estimate

__all__ = [
    "TwoWayAnova",
    "icc_agreement",
    "icc_values",
    "intraclass_correlations",
    "two_way_anova",
]


@dataclass(frozen=True, slots=True)
class TwoWayAnova:
    """Mean squares of films x readers, one score in each cell.

    Attributes
    ----------
    films, readers : int
        Complete rows, columns.
    rows, columns, error : float
        Mean squares between films, between readers, and of the rest.
    """

    films: int
    readers: int
    rows: float
    columns: float
    error: float


def two_way_anova(values: NDArray[np.float64]) -> TwoWayAnova:
    """Return the mean squares of the complete rows of `values`.

    Parameters
    ----------
    values : ndarray of float, shape (films, readers)
        Scores; rows with a NaN are left out.

    Raises
    ------
    ValueError
        With fewer than two complete rows or two columns.
    """
    complete = values[np.isfinite(values).all(axis=1)]
    films, readers = complete.shape
    if films < 2 or readers < 2:
        raise ValueError(
            f"{films} complete films x {readers} readers; expected at least two of each"
        )
    mean = complete.mean()
    row_means = complete.mean(axis=1)
    column_means = complete.mean(axis=0)
    rest = complete - row_means[:, None] - column_means[None, :] + mean
    return TwoWayAnova(
        films,
        readers,
        float(readers * np.square(row_means - mean).sum() / (films - 1)),
        float(films * np.square(column_means - mean).sum() / (readers - 1)),
        float(np.square(rest).sum() / ((films - 1) * (readers - 1))),
    )


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")


def icc_values(anova: TwoWayAnova) -> dict[str, float]:
    """Return ICC(A,1), ICC(A,k), ICC(C,1) and ICC(C,k), as in `intraclass_correlations`."""
    n, k = anova.films, anova.readers
    spread = anova.rows - anova.error
    bias = (anova.columns - anova.error) / n
    return {
        "ICC(A,1)": _divide(spread, anova.rows + (k - 1) * anova.error + k * bias),
        "ICC(A,k)": _divide(spread, anova.rows + bias),
        "ICC(C,1)": _divide(spread, anova.rows + (k - 1) * anova.error),
        "ICC(C,k)": _divide(spread, anova.rows),
    }


def icc_agreement(values: NDArray[np.float64]) -> float:
    """Return ICC(A,1) of the complete rows of `values`, shape (films, readers)."""
    return icc_values(two_way_anova(values))["ICC(A,1)"]


def _agreement(anova: TwoWayAnova, level: float) -> Estimate:
    """ICC(A,1) with the interval of McGraw and Wong, Table 7, case 2."""
    n, k = anova.films, anova.readers
    value = icc_values(anova)["ICC(A,1)"]
    if not np.isfinite(value) or value >= 1:
        return Estimate(value, value, value, level)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    squares = (a * anova.columns) ** 2 / (k - 1) + (b * anova.error) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * anova.columns + b * anova.error) ** 2 / squares
    tail = (1 + level) / 2
    upper_f = float(f_distribution.ppf(tail, n - 1, freedom))
    lower_f = float(f_distribution.ppf(tail, freedom, n - 1))
    rest = k * anova.columns + (k * n - k - n) * anova.error
    low = n * (anova.rows - upper_f * anova.error) / (upper_f * rest + n * anova.rows)
    high = n * (lower_f * anova.rows - anova.error) / (rest + n * lower_f * anova.rows)
    return Estimate(value, low, high, level)


def _consistency(anova: TwoWayAnova, level: float) -> Estimate:
    """ICC(C,1) with its exact interval."""
    n, k = anova.films, anova.readers
    value = icc_values(anova)["ICC(C,1)"]
    if anova.error == 0 or not np.isfinite(value):
        return Estimate(value, value, value, level)
    ratio = anova.rows / anova.error
    tail = (1 + level) / 2
    freedom = (n - 1) * (k - 1)
    low = ratio / float(f_distribution.ppf(tail, n - 1, freedom))
    high = ratio * float(f_distribution.ppf(tail, freedom, n - 1))
    return Estimate(value, (low - 1) / (low + k - 1), (high - 1) / (high + k - 1), level)


def _averaged(single: Estimate, readers: int) -> Estimate:
    """Correlation of the mean of `readers` scores (Spearman and Brown)."""

    def of_mean(value: float) -> float:
        return _divide(readers * value, 1 + (readers - 1) * value)

    return Estimate(of_mean(single.value), of_mean(single.low), of_mean(single.high), single.level)


def intraclass_correlations(
    values: NDArray[np.float64], level: float = 0.95
) -> dict[str, Estimate]:
    """Return the intraclass correlations of readers, two-way, with intervals.

    Parameters
    ----------
    values : ndarray of float, shape (films, readers)
        Scores; films that a reader left out are not used.
    level : float, optional
        Confidence level. The intervals take the films as independent; with several films
        of a patient, prefer a bootstrap over patients.

    Returns
    -------
    dict of str to Estimate
        ``"ICC(A,1)"`` absolute agreement of single scores, ``"ICC(A,k)"`` of the readers'
        mean, ``"ICC(C,1)"`` consistency: well above ICC(A,1) when readers differ by a
        constant.

    Raises
    ------
    ValueError
        With fewer than two complete films or two readers.
    """
    anova = two_way_anova(values)
    single = _agreement(anova, level)
    consistency = _consistency(anova, level)
    return {
        "ICC(A,1)": single,
        "ICC(A,k)": _averaged(single, anova.readers),
        "ICC(C,1)": consistency,
        "ICC(C,k)": _averaged(consistency, anova.readers),
    }
