"""Bland and Altman's limits of agreement, with several films of a patient.

Source: Bland and Altman 2007, Agreement between methods of measurement with multiple
observations per individual (J Biopharm Stat 17: 571-582), section 3: the true value varies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LimitsOfAgreement", "bland_altman"]


@dataclass(frozen=True, slots=True)
class LimitsOfAgreement:
    """Bias between two methods and where 95 % of the differences lie.

    Attributes
    ----------
    bias : float
        Mean of first minus second, over films.
    sd : float
        Standard deviation of the difference of one new film of a new patient: root of the
        variance between patients plus that within.
    low, high : float
        Limits of agreement, bias -/+ 1.96 sd.
    sd_between, sd_within : float
        Its parts, between and within patients.
    slope : float
        Proportional bias: change of the difference for one point of the mean of both.
    films, patients : int
        How many.
    """

    bias: float
    sd: float
    low: float
    high: float
    sd_between: float
    sd_within: float
    slope: float
    films: int
    patients: int


def _variances(differences: NDArray[np.float64], groups: NDArray[np.intp]) -> tuple[float, float]:
    """Between- and within-patient variance by a one-way analysis of unequal groups."""
    sizes = np.bincount(groups).astype(np.float64)
    means = np.bincount(groups, weights=differences) / sizes
    patients, films = len(sizes), len(differences)
    within_sum = float(np.square(differences - means[groups]).sum())
    between = float((sizes * np.square(means - differences.mean())).sum() / (patients - 1))
    if films == patients:
        return between, 0.0
    within = within_sum / (films - patients)
    size = (films**2 - float(np.square(sizes).sum())) / ((patients - 1) * films)
    return max((between - within) / size, 0.0), within


def bland_altman(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    patients: Sequence[str] | NDArray[np.intp],
) -> LimitsOfAgreement:
    """Return bias and limits of agreement of `first` minus `second`.

    Parameters
    ----------
    first, second : ndarray of float, shape (films,)
        Scores of the same films, on the same scale; NaN is missing.
    patients : sequence of str or int
        Patient of each film.

    Raises
    ------
    ValueError
        With fewer than two patients.
    """
    kept = np.isfinite(first) & np.isfinite(second)
    first, second = first[kept], second[kept]
    _, groups = np.unique(np.asarray(patients)[kept], return_inverse=True)
    if len(first) == 0 or groups.max() < 1:
        raise ValueError("fewer than two patients; limits of agreement need at least two")
    differences = first - second
    means = (first + second) / 2
    between, within = _variances(differences, groups)
    spread = float(np.square(means - means.mean()).sum())
    slope = float((means - means.mean()) @ differences) / spread if spread > 0 else float("nan")
    bias, sd = float(differences.mean()), float(np.sqrt(between + within))
    return LimitsOfAgreement(
        bias,
        sd,
        bias - 1.96 * sd,
        bias + 1.96 * sd,
        float(np.sqrt(between)),
        float(np.sqrt(within)),
        slope,
        len(first),
        int(groups.max()) + 1,
    )
