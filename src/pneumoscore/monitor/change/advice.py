"""What the rules say of one series, in words with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.error_model import ScaleError
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.watch import WORDS, Watched, watch

__all__ = ["ADVICE_ORDER", "Advice", "Call", "advice_at", "calls_of", "watch_one"]

ADVICE_ORDER = (
    "worsening",
    "to be confirmed",
    "returned",
    "improving",
    "stable",
    "one film",
    "discharged",
    "died",
)
"""All words of an advice, the most pressing first."""
_DAY = timedelta(days=1)
_SAME = 1.96


@dataclass(frozen=True, slots=True)
class Advice:
    """What the rules say; never a treatment.

    Attributes
    ----------
    word : str
        One of `ADVICE_ORDER`. ``"one film"`` when there is nothing to compare,
        ``"to be confirmed"`` when one film stands alone, ``"returned"`` when a change that was
        called is taken back.
    reason : str
        Why, in one sentence with numbers.
    rules : str
        Name and version of the rule set.
    difference, standard_error : float or None
        Level now less the level compared with, in points; None with one film.
    """

    word: str
    reason: str
    rules: str
    difference: float | None = None
    standard_error: float | None = None

    @property
    def size(self) -> float:
        """Difference over its standard error, signed; 0 with one film."""
        if self.difference is None or not self.standard_error:
            return 0.0
        return self.difference / self.standard_error


@dataclass(frozen=True, slots=True)
class Call:
    """A change that the rules called.

    Attributes
    ----------
    seen, first : int
        Index of the film at which it was called, and of the first film of the new level; of a
        trend, of its rise or fall.
    trend : bool
        A slow trend, not a step.
    difference, standard_error : float
        Points between the levels, and how well they are known.
    needed : float
        Standard errors that were needed.
    """

    seen: int
    first: int
    trend: bool
    difference: float
    standard_error: float
    needed: float

    @property
    def higher(self) -> bool:
        """Whether it is a rise."""
        return self.difference > 0.0

    @property
    def words(self) -> str:
        """The call with its numbers."""
        shape = "trend" if self.trend else "step"
        ratio = abs(self.difference / self.standard_error)
        return (
            f"a {shape} of {self.difference:+.1f} points ({ratio:.1f} standard errors, "
            f"{self.needed:.1f} needed)"
        )


def watch_one(
    times: Sequence[datetime],
    values: Sequence[float],
    errors: ScaleError,
    rules: RuleSet,
    smallest: float = 0.0,
) -> Watched:
    """Apply the rules to one series, its times by one clock (`film_times`); see `watch`."""
    days = np.array([[(at - times[0]) / _DAY for at in times]], dtype=np.float64)
    table = np.array([list(values)], dtype=np.float64)
    counts = np.array([len(values)], dtype=np.int64)
    return watch(days.reshape(1, -1), table.reshape(1, -1), counts, errors, rules, smallest)


def calls_of(said: Watched, row: int = 0) -> list[Call]:
    """Return the calls of one series in time order."""
    places: NDArray[np.intp] = np.flatnonzero(said.called[row])
    found = []
    for place in places:
        ratio, error = float(said.ratio[row, place]), float(said.call_error[row, place])
        found.append(
            Call(
                int(place),
                int(said.first[row, place]),
                bool(said.trend[row, place]),
                ratio * error,
                error,
                float(said.needed[row, place]),
            )
        )
    return found


def advice_at(said: Watched, films: int, rules: RuleSet, row: int = 0) -> Advice:
    """Return the advice at the last of a series' films.

    Parameters
    ----------
    said : Watched
        From `watch`.
    films : int
        Films of the series.
    rules : RuleSet
        Named in the advice.
    row : int, optional
        Which series.
    """
    if films < 2:
        return Advice("one film", "nothing to compare", rules.label)
    last = films - 1
    word = WORDS[int(said.words[row, last])]
    base, level = float(said.base[row, last]), float(said.level[row, last])
    error = float(said.standard_error[row, last])
    difference = level - base
    size = f"{difference:+.1f} points ({base:.1f} to {level:.1f}, standard error {error:.1f})"
    before = _films(int(said.before[row, last]))
    earlier = [call for call in calls_of(said, row) if call.seen <= last]
    if word in ("worsening", "improving"):
        reason = f"{size} against {before} before the change; called: {earlier[-1].words}"
        turned = [call for call in earlier if call.higher != earlier[-1].higher]
        former = float(said.base[row, turned[-1].seen]) if turned else float("nan")
        if abs(level - former) < _SAME * error:
            reason += f"; returned to the level before the change to {base:.1f}"
    elif word == "to be confirmed":
        reason = f"the last film alone is {size} from the level of {before} before"
    elif word == "returned":
        reason = f"two films are back at the level before {earlier[-1].words}"
    elif earlier:
        ago = last - earlier[-1].seen
        reason = f"no change called in the last {_films(ago)}, since {earlier[-1].words}"
    else:
        reason = f"no change called in {_films(films)}"
    return Advice(word, reason, rules.label, difference, error)


def _films(count: int) -> str:
    return f"{count} film" if count == 1 else f"{count} films"
