"""Intervals by a bootstrap over patients: a patient's films are drawn together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draw", "Estimate", "PatientBootstrap"]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """The films of one resample of patients.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Film indices, repeated where a patient was drawn more than once.
    clusters : ndarray of int, shape (n,)
        Number of the drawn patient; one drawn twice counts as two patients.
    """

    index: NDArray[np.intp]
    clusters: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic and its interval.

    Attributes
    ----------
    value : float
        Of the films at hand.
    low, high : float
        Percentile interval; NaN when fewer than half of the draws gave a number.
    level : float
        Confidence level, for example 0.95.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    def as_dict(self) -> dict[str, float | None]:
        """Return value, low and high as numbers or None, for JSON."""
        return {
            name: (round(number, 10) if np.isfinite(number) else None)
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }


Statistics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PatientBootstrap:
    """Resamples patients with replacement (Field and Welsh 2007, J R Stat Soc B 69: 369-390).

    Attributes
    ----------
    patients : sequence of str
        Patient of each film.
    repeats : int
        Number of draws.
    seed : int
        Of the generator; equal seeds give equal draws.
    level : float
        Confidence level of the percentile intervals.
    """

    patients: Sequence[str]
    repeats: int = 1000
    seed: int = 0
    level: float = 0.95

    def whole(self) -> Draw:
        """Return all films, each once."""
        _, numbers = np.unique(np.asarray(self.patients), return_inverse=True)
        return Draw(np.arange(len(self.patients)), numbers)

    def draws(self) -> list[Draw]:
        """Return the resamples, equal for equal patients, repeats and seed."""
        numbers = self.whole().clusters
        groups = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
        sizes = np.array([len(group) for group in groups])
        generator = np.random.default_rng(self.seed)
        return [
            Draw(
                np.concatenate([groups[number] for number in chosen]),
                np.repeat(np.arange(len(groups)), sizes[chosen]),
            )
            for chosen in generator.integers(0, len(groups), (self.repeats, len(groups)))
        ]

    def estimate(self, statistics: Callable[[Draw], Statistics]) -> dict[str, Estimate]:
        """Return several statistics of the same films with their intervals.

        Parameters
        ----------
        statistics : callable
            Takes a draw, returns a number by name; NaN where it is not defined.

        Returns
        -------
        dict of str to Estimate
            In the order of `statistics` on all films.
        """
        whole = statistics(self.whole())
        sampled: dict[str, list[float]] = {name: [] for name in whole}
        for draw in self.draws():
            drawn = statistics(draw)
            for name, values in sampled.items():
                values.append(drawn.get(name, float("nan")))
        return {
            name: self.interval(value, np.array(sampled[name])) for name, value in whole.items()
        }

    def interval(self, value: float, sampled: NDArray[np.float64]) -> Estimate:
        """Return `value` with the percentile interval of its draws."""
        finite = sampled[np.isfinite(sampled)]
        if 2 * len(finite) < len(sampled) or not np.isfinite(value):
            return Estimate(value, float("nan"), float("nan"), self.level)
        tail = (1 - self.level) / 2
        low, high = np.quantile(finite, [tail, 1 - tail])
        return Estimate(float(value), float(low), float(high), self.level)
