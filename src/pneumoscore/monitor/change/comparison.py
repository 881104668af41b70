"""The level now against other levels of the same series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from pneumoscore.monitor.change.error_model import DETECTABLE_ERRORS, ScaleError
from pneumoscore.monitor.change.levels import robust_level
from pneumoscore.monitor.change.rules import RuleSet

__all__ = ["Comparison", "compare_levels"]

_AROUND = timedelta(days=2)
_GROUP = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """The level now less another level.

    Attributes
    ----------
    against : str
        ``"film before"``, an event's kind, ``"lowest level"`` or ``"highest level"``.
    at : datetime
        Last film of that level.
    films : int
        Its films.
    level : float
        That level.
    difference, standard_error : float
        In points.
    verdict : {"higher", "lower", "no detectable change"}
        Beyond 1.96 standard errors; against the lowest and the highest level, which are the
        most extreme of many, beyond what calls a step.
    """

    against: str
    at: datetime
    films: int
    level: float
    difference: float
    standard_error: float
    verdict: str


def compare_levels(
    times: Sequence[datetime],
    values: Sequence[float],
    recent: int,
    references: Sequence[tuple[str, datetime]],
    errors: ScaleError,
    rules: RuleSet,
) -> tuple[Comparison, ...]:
    """Compare the level of the last `recent` films with others of the series.

    Parameters
    ----------
    times : sequence of datetime
        Of the films, in their order, by the clock that the events have.
    values : sequence of float
        Their scores.
    recent : int
        Films of the level now, at least 1.
    references : sequence of (str, datetime)
        Events to compare with: the level at an event is that of the up to three last films of
        the two days up to it, else that of the first film after it.
    errors : ScaleError
        Error of one film.
    rules : RuleSet
        What calls a step.

    Returns
    -------
    tuple of Comparison
        Empty for a single film.
    """
    count = len(values)
    earlier = count - recent
    now = _level(values, range(earlier, count), errors)

    def compared(against: str, places: Sequence[int], needed: float) -> Comparison:
        level = _level(values, places, errors)
        sd = errors.sd((level + now) / 2.0)
        error = sd * float(np.sqrt(1.0 / recent + 1.0 / len(places)))
        difference = now - level
        verdict = "no detectable change"
        if abs(difference) > needed * error:
            verdict = "higher" if difference > 0.0 else "lower"
        return Comparison(
            against, times[places[-1]], len(places), level, difference, error, verdict
        )

    found = []
    if earlier > 0:
        found.append(compared("film before", [earlier - 1], DETECTABLE_ERRORS))
    for kind, at in references:
        places = _around(times[:earlier], at)
        if places:
            found.append(compared(kind, places, DETECTABLE_ERRORS))
    windows = [list(range(max(0, end - _GROUP), end)) for end in range(1, earlier + 1)]
    full = [window for window in windows if len(window) == min(_GROUP, max(earlier, 1))]
    if len(full) > 1:
        levels = [_level(values, window, errors) for window in full]
        lowest, highest = full[int(np.argmin(levels))], full[int(np.argmax(levels))]
        found.append(compared("lowest level", lowest, rules.step_errors))
        found.append(compared("highest level", highest, rules.step_errors))
    return tuple(found)


def _around(times: Sequence[datetime], at: datetime) -> list[int]:
    before = [place for place, time in enumerate(times) if at - _AROUND <= time <= at]
    if before:
        return before[-_GROUP:]
    after = [place for place, time in enumerate(times) if time > at]
    return after[:1]


def _level(values: Sequence[float], places: Sequence[int], errors: ScaleError) -> float:
    chosen = np.array([[values[place] for place in places]], dtype=np.float64)
    sd = np.array([errors.sd(float(chosen.mean()))])
    return float(robust_level(chosen, np.ones(chosen.shape, dtype=bool), sd)[0])
