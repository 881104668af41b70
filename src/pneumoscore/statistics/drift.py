"""Whether recent films differ from reference films by more than chance, patient by patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FilmSample", "Shift", "measure_shifts"]

_LEAST_FILMS = 30
_LEAST_PATIENTS = 60
"""Of fewer patients the percentile bootstrap's far tails are too short: of looks at two samples
of one population, one in three is called drift at 10 patients, one in eleven at 40 and one in
twenty at 60 (the films of ``tests/statistics/test_drift.py``)."""
_BOUNDARY_FILMS = 3
"""A share is told apart from chance by so many films that have what it counts, on one side."""


@dataclass(frozen=True, slots=True, eq=False)
class FilmSample:
    """Films of some patients.

    Attributes
    ----------
    patients : ndarray of int64, shape (n,)
        Patient of each film.
    values : mapping of str to ndarray of float64, each of shape (n,)
        Numbers of each film; NaN for a film that has none.
    marks : mapping of str to ndarray of bool, each of shape (n,)
        Whether each film has a mark.
    """

    patients: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    marks: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Shift:
    """One figure of the recent films against the reference.

    Attributes
    ----------
    name : str
        Of the number or mark.
    figure : str
        ``"mean"``, ``"spread"`` (standard deviation) or ``"share"``.
    reference, recent : float
        The figure of either; NaN where no film has the number.
    low, high : float
        Ends of the simultaneous interval of the difference, recent less reference.
    drifted : bool or None
        Whether the interval leaves out 0; None where there are too few films to tell.
    """

    name: str
    figure: str
    reference: float
    recent: float
    low: float
    high: float
    drifted: bool | None


def measure_shifts(
    reference: FilmSample,
    recent: FilmSample,
    *,
    level: float = 0.95,
    repeats: int = 4000,
    seed: int = 1,
) -> tuple[Shift, ...]:
    """Compare means and spreads of numbers, and shares of marks.

    Both samples are drawn again patient by patient (a patient's films are alike), so that the
    interval holds the noise of either. It is simultaneous: all figures of two samples of one
    population stay within theirs about `level` of the time (Bonferroni), with the 60 patients
    on either side without which nothing is called.

    Parameters
    ----------
    reference, recent : FilmSample
        With at least one film each; numbers and marks that both have are compared.
    level : float, optional
        Of all intervals together.
    repeats, seed : int, optional
        Of the bootstrap.
    """
    chance = np.random.default_rng(seed)
    numbers = [name for name in reference.values if name in recent.values]
    marks = [name for name in reference.marks if name in recent.marks]
    tail = (1.0 - level) / (2.0 * max(1, 2 * len(numbers) + len(marks)))
    before, after = _Sums(reference, chance, repeats), _Sums(recent, chance, repeats)
    found: list[Shift] = []
    for name in numbers:
        for figure, which in (("mean", 0), ("spread", 1)):
            old, new = before.number(name)[which], after.number(name)[which]
            found.append(_shift(name, figure, old, new, tail, _enough(before, after)))
    for name in marks:
        old, new = before.mark(name), after.mark(name)
        counted = max(reference.marks[name].sum(), recent.marks[name].sum())
        told = _enough(before, after) and bool(counted >= _BOUNDARY_FILMS)
        found.append(_shift(name, "share", old, new, tail, told))
    return tuple(found)


def _enough(*samples: _Sums) -> bool:
    return all(one.films >= _LEAST_FILMS and one.patients >= _LEAST_PATIENTS for one in samples)


def _shift(
    name: str,
    figure: str,
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    tail: float,
    told: bool,
) -> Shift:
    drawn = new[1:] - old[1:]
    drawn = drawn[np.isfinite(drawn)]
    low, high = (np.nan, np.nan) if drawn.size == 0 else np.quantile(drawn, [tail, 1.0 - tail])
    told = told and drawn.size > 0
    drifted = bool(low > 0.0 or high < 0.0) if told else None
    return Shift(name, figure, float(old[0]), float(new[0]), float(low), float(high), drifted)


class _Sums:
    """Sums over whole patients: of the sample itself first, then of each draw of patients."""

    def __init__(self, sample: FilmSample, chance: np.random.Generator, repeats: int) -> None:
        _, self._of = np.unique(sample.patients, return_inverse=True)
        self.films = len(sample.patients)
        self.patients = int(self._of.max()) + 1
        self._sample = sample
        drawn = chance.multinomial(
            self.patients, np.full(self.patients, 1.0 / self.patients), size=repeats
        )
        self._weights = np.vstack([np.ones(self.patients), drawn]).astype(np.float32)

    def _sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        by_patient = np.bincount(self._of, weights=values, minlength=self.patients)
        return np.asarray(self._weights @ by_patient, dtype=np.float64)

    def number(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation."""
        values = self._sample.values[name]
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            count = self._sum(known.astype(np.float64))
            mean = self._sum(filled) / count
            square = self._sum(filled**2) / count
        return mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def mark(self, name: str) -> NDArray[np.float64]:
        """Return the share of films with a mark."""
        marked = self._sum(self._sample.marks[name].astype(np.float64))
        return np.asarray(marked / self._sum(np.ones(self.films)), dtype=np.float64)
