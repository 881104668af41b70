"""Steps along a series of scores, found as the films come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscore.monitor.change.error_model import ScaleError
from pneumoscore.monitor.change.rules import RuleSet

__all__ = ["Step", "find_steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level that a series shows.

    Attributes
    ----------
    seen : int
        Index of the film at which the step was detected.
    first : int
        Index of the first film of the new level.
    since : int
        Index of the first film of the old level.
    difference : float
        Mean of the new level's films up to `seen` minus mean of the old level's, in points.
    standard_error : float
        Of the difference.
    boundary : float
        Standard errors that were needed.
    """

    seen: int
    first: int
    since: int
    difference: float
    standard_error: float
    boundary: float

    @property
    def higher(self) -> bool:
        """Whether the new level is the higher one."""
        return self.difference > 0.0


def find_steps(
    values: Sequence[float], errors: ScaleError, rules: RuleSet, smallest: float = 0.0
) -> list[Step]:
    """Return the steps of one patient's series on one scale (`RuleSet` says how).

    Each film is judged when it comes: later films never take a step back.

    Parameters
    ----------
    values : sequence of float
        Scores in time order.
    errors : ScaleError
        Error of one film.
    rules : RuleSet
        Chance of false alarms, longest run of recent films.
    smallest : float, optional
        Points that a step must have.
    """
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    steps: list[Step] = []
    start = 0
    for seen in range(1, len(values)):
        films = seen - start + 1
        if films < 2:
            continue
        found = _best_step(sums, start, seen, errors, rules)
        boundary = rules.boundary(films)
        if abs(found[1]) > boundary * found[2] and abs(found[1]) >= smallest:
            steps.append(Step(seen, found[0], start, found[1], found[2], boundary))
            start = found[0]
    return steps


def _best_step(
    sums: Sequence[float], start: int, seen: int, errors: ScaleError, rules: RuleSet
) -> tuple[int, float, float]:
    """Return first film, difference and standard error of the clearest step at one film."""
    films = seen - start + 1
    sd = errors.sd((sums[seen + 1] - sums[start]) / films)
    best = (seen, 0.0, 1.0)
    for recent in range(1, min(rules.recent_films, films - 1) + 1):
        first = seen - recent + 1
        before = films - recent
        new = (sums[seen + 1] - sums[first]) / recent
        old = (sums[first] - sums[start]) / before
        error = sd * (1.0 / recent + 1.0 / before) ** 0.5
        if abs(new - old) / error > abs(best[1]) / best[2]:
            best = (first, new - old, error)
    return best
