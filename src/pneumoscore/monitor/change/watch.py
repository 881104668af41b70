"""The rules at work: what is said of each film of many series at once, as the films come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.error_model import ScaleError
from pneumoscore.monitor.change.levels import nearer_of_two, ramp, robust_level
from pneumoscore.monitor.change.rules import RuleSet

__all__ = ["WORDS", "Watched", "watch"]

WORDS = ("one film", "stable", "worsening", "improving", "to be confirmed", "returned")
"""What is said of a film, in the numbering of `Watched.words`."""
_ONE, _STABLE, _WORSE, _BETTER, _UNSURE, _BACK = range(len(WORDS))

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What the rules say, film by film; arrays of shape (n, films).

    Attributes
    ----------
    words : ndarray of int
        Places in `WORDS`; 0 also where there is no film.
    called : ndarray of int
        1 where a rise is called at this film, -1 where a fall is, else 0.
    trend : ndarray of bool
        Whether what is called is a slow trend, not a step.
    first : ndarray of int
        Of a call, index of the first film of the new level; of a trend, of its rise or fall.
    base, level : ndarray of float
        The level that the film is compared with, and the level now.
    standard_error : ndarray of float
        Of their difference.
    ratio, needed, call_error : ndarray of float
        Of a call, difference over standard error, what was needed, and the standard error.
    recent, before : ndarray of int
        Films of the level now, and of the level compared with.
    """

    words: Ints
    called: Ints
    trend: NDArray[np.bool_]
    first: Ints
    base: Floats
    level: Floats
    standard_error: Floats
    ratio: Floats
    needed: Floats
    call_error: Floats
    recent: Ints
    before: Ints


@dataclass(slots=True, eq=False)
class _Found:
    """The clearest difference of each series at one film, over what it would need."""

    over: Floats
    ratio: Floats
    needed: Floats
    base: Floats
    level: Floats
    error: Floats
    recent: Ints
    before: Ints
    trend: NDArray[np.bool_]

    @classmethod
    def nothing(cls, rows: int) -> _Found:
        zeros = np.zeros(rows)
        whole = np.zeros(rows, dtype=np.int64)
        return cls(
            zeros.copy(), zeros.copy(), np.ones(rows), zeros.copy(), zeros.copy(), np.ones(rows),
            whole.copy(), whole.copy(), np.zeros(rows, dtype=bool),
        )  # fmt: skip

    def keep(
        self,
        allowed: NDArray[np.bool_],
        base: Floats,
        level: Floats,
        error: Floats,
        needed: Floats,
        recent: int,
        before: Ints,
        trend: bool,
    ) -> None:
        """Take what is clearer than what was found so far."""
        ratio = (level - base) / error
        over = ratio / needed
        better = allowed & (np.abs(over) > np.abs(self.over))
        self.over = np.where(better, over, self.over)
        self.ratio = np.where(better, ratio, self.ratio)
        self.needed = np.where(better, needed, self.needed)
        self.base = np.where(better, base, self.base)
        self.level = np.where(better, level, self.level)
        self.error = np.where(better, error, self.error)
        self.recent = np.where(better, recent, self.recent)
        self.before = np.where(better, before, self.before)
        self.trend = np.where(better, trend, self.trend)


class _Watcher:
    """Series, and where each of them stands."""

    def __init__(
        self, days: Floats, values: Floats, errors: ScaleError, rules: RuleSet, smallest: float
    ) -> None:
        self.days, self.values = days, values
        self.rules, self.smallest = rules, smallest
        self.knots = (np.asarray(errors.scores), np.asarray(errors.sds))
        rows, films = values.shape
        self.start = np.zeros(rows, dtype=np.int64)
        self.direction = np.zeros(rows, dtype=np.int64)
        self.base = np.zeros(rows)
        self.base_films = np.ones(rows, dtype=np.int64)
        self.seen_day = np.full(rows, -np.inf)
        self.back_day = np.full(rows, -np.inf)
        shape = (rows, films)
        self.said = Watched(
            words=np.zeros(shape, dtype=np.int64),
            called=np.zeros(shape, dtype=np.int64),
            trend=np.zeros(shape, dtype=bool),
            first=np.zeros(shape, dtype=np.int64),
            base=np.full(shape, np.nan),
            level=np.full(shape, np.nan),
            standard_error=np.full(shape, np.nan),
            ratio=np.zeros(shape),
            needed=np.zeros(shape),
            call_error=np.ones(shape),
            recent=np.zeros(shape, dtype=np.int64),
            before=np.zeros(shape, dtype=np.int64),
        )

    def sd(self, level: Floats) -> Floats:
        """Return the error of one film at a level."""
        return np.asarray(np.interp(level, *self.knots), dtype=np.float64)

    def group(self, end: int, most: int, start: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the films up to `end` (not included) from `start` on, `most` at most."""
        low = max(0, end - most)
        places = np.arange(low, end)
        return self.values[:, low:end], places[None, :] >= start[:, None]

    def level(self, end: int, most: int, start: Ints) -> tuple[Floats, Ints]:
        """Return the level of such a group, and how many films it has."""
        values, known = self.group(end, most, start)
        counts = known.sum(axis=1)
        sums = np.where(known, values, 0.0).sum(axis=1) / np.maximum(counts, 1)
        return robust_level(values, known, self.sd(sums)), counts


def watch(
    days: Floats,
    values: Floats,
    counts: Ints,
    errors: ScaleError,
    rules: RuleSet,
    smallest: float = 0.0,
) -> Watched:
    """Apply the rules to series, film by film; later films never change what was said.

    Parameters
    ----------
    days, values : ndarray of float, shape (n, films)
        Times in days and scores, in time order; what lies beyond a series' films is ignored.
    counts : ndarray of int, shape (n,)
        Films of each series.
    errors : ScaleError
        Error of one film.
    rules : RuleSet
        What is needed for a call, and how long it is said.
    smallest : float, optional
        Points that a call must have.

    Returns
    -------
    Watched
        Words, calls and levels.
    """
    films = values.shape[1]
    beyond = np.arange(films)[None, :] >= counts[:, None]
    filled = np.where(beyond, 0.0, values)
    times = np.where(beyond, 0.0, days)
    watcher = _Watcher(times, filled, errors, rules, smallest)
    if films:
        watcher.said.level[:, 0] = filled[:, 0]
        watcher.said.recent[:, 0] = 1
    for film in range(1, films):
        _judge(watcher, film, counts > film)
    return watcher.said


def _judge(at: _Watcher, film: int, there: NDArray[np.bool_]) -> None:
    """Say what is to be said at one film of every series that has it."""
    found = _clearest(at, film)
    enough = np.abs(found.level - found.base) >= at.smallest
    called = there & (np.abs(found.over) > 1.0) & enough
    _take_calls(at, film, called, np.sign(found.ratio).astype(np.int64), found)
    last = at.values[:, film]
    # The level since the last change, this film left out; a first film is its own.
    since, counts = at.level(film, at.rules.before_films, at.start)
    since = np.where(counts > 0, since, last)
    against, twice = _taken_back(at, film, there & ~called, (since + at.base) / 2.0)
    over = there & ~called & ~against & (at.direction != 0) & _ended(at, film)
    at.direction = np.where(over | twice, 0, at.direction)
    at.start = np.where(twice, film - 1, at.start)
    at.back_day = np.where(twice, at.days[:, film], at.back_day)
    single = at.sd((last + since) / 2.0) * np.sqrt(1.0 + 1.0 / np.maximum(counts, 1))
    odd = (at.direction == 0) & ~twice & (np.abs(last - since) > at.rules.odd_film * single)
    running = (at.direction != 0) & ~against
    held = at.days[:, film] - at.back_day <= at.rules.hold_days
    words = np.where(held, _BACK, _STABLE)
    words = np.where(odd | (against & ~twice), _UNSURE, words)
    words = np.where(running, np.where(at.direction > 0, _WORSE, _BETTER), words)
    at.said.words[:, film] = np.where(there, words, 0)
    # A change is told by levels, all else by the last film against the level before.
    level, recent = at.level(film + 1, at.rules.recent_films, at.start)
    _note_levels(
        at,
        film,
        np.where(running, at.base, since),
        np.where(running, at.base_films, np.maximum(counts, 1)),
        np.where(running, level, last),
        np.where(running, recent, 1),
    )


def _taken_back(
    at: _Watcher, film: int, there: NDArray[np.bool_], middle: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say where this film speaks against a change, and where the one before did too."""
    ways = at.direction
    against = there & (ways != 0) & ((at.values[:, film] - middle) * ways < 0.0)
    return against, against & ((at.values[:, film - 1] - middle) * ways < 0.0)


def _note_levels(
    at: _Watcher, film: int, base: Floats, before: Ints, level: Floats, recent: Ints
) -> None:
    said = at.said
    said.base[:, film], said.level[:, film] = base, level
    said.before[:, film], said.recent[:, film] = before, recent
    sd = at.sd((level + base) / 2.0)
    said.standard_error[:, film] = sd * np.sqrt(1.0 / np.maximum(recent, 1) + 1.0 / before)


def _clearest(at: _Watcher, film: int) -> _Found:
    """Return the clearest step or trend that ends at a film."""
    rules = at.rules
    found = _Found.nothing(len(at.values))
    for recent in range(2, max(rules.recent_films, rules.trend_films) + 1):
        if recent > film:
            break
        split = film + 1 - recent
        old, before = at.level(split, rules.before_films, at.start)
        if not before.any():
            break
        old = np.where(before > 0, old, 0.0)
        new = at.values[:, split : film + 1]
        sd = at.sd((old + new.mean(axis=1)) / 2.0)
        before_safe = np.maximum(before, 1)
        if recent <= rules.recent_films:
            level = (
                nearer_of_two(new, old)
                if recent == 2
                else robust_level(new, np.ones(new.shape, dtype=bool), sd)
            )
            error = sd * np.sqrt(1.0 / recent + 1.0 / before_safe)
            needed = np.where(before > 1, rules.step_errors, rules.first_step_errors)
            found.keep(before >= 1, old, level, error, needed, recent, before, False)
        if 3 <= recent <= rules.trend_films:
            since = at.days[:, split : film + 1] - at.days[:, split - 1 : split]
            height, weight = ramp(since, new - old[:, None], sd)
            share = since / np.maximum(since[:, -1:], 1e-9)
            error = sd * np.sqrt(
                1.0 / np.maximum((share**2).sum(axis=1), 1e-9) + weight**2 / before_safe
            )
            needed = np.full(len(old), rules.trend_errors)
            # A line needs films that come after the level before, each not before the last.
            onward = (since > 0.0).all(axis=1) & (np.diff(since) >= 0.0).all(axis=1)
            allowed = (before >= rules.trend_before) & onward
            found.keep(allowed, old, old + height, error, needed, recent, before, True)
    return found


def _take_calls(
    at: _Watcher, film: int, called: NDArray[np.bool_], way: Ints, found: _Found
) -> None:
    said = at.said
    said.called[:, film] = np.where(called, way, 0)
    said.trend[:, film] = called & found.trend
    said.ratio[:, film] = np.where(called, found.ratio, 0.0)
    said.needed[:, film] = np.where(called, found.needed, 0.0)
    said.call_error[:, film] = np.where(called, found.error, 1.0)
    said.first[:, film] = np.where(called, film + 1 - found.recent, 0)
    # A change that goes on keeps the level it began from.
    fresh = called & (at.direction != way)
    at.base = np.where(fresh, found.base, at.base)
    at.base_films = np.where(fresh, np.maximum(found.before, 1), at.base_films)
    at.direction = np.where(called, way, at.direction)
    start = np.where(found.trend, film - 1, film + 1 - found.recent)
    at.start = np.where(called, start, at.start)
    at.seen_day = np.where(called, at.days[:, film], at.seen_day)
    at.back_day = np.where(called, -np.inf, at.back_day)


def _ended(at: _Watcher, film: int) -> NDArray[np.bool_]:
    """Say where a change was called long enough ago and does not go on."""
    rules = at.rules
    long_ago = at.days[:, film] - at.seen_day > rules.hold_days
    if not long_ago.any():
        return np.asarray(long_ago, dtype=np.bool_)
    low = max(0, film + 1 - 2 * rules.trend_films)
    days, values = at.days[:, low : film + 1], at.values[:, low : film + 1]
    known = np.arange(low, film + 1)[None, :] >= at.start[:, None]
    known &= at.days[:, film : film + 1] - days <= rules.trend_days
    counts = np.maximum(known.sum(axis=1), 1)
    level = robust_level(values, known, at.sd(at.base))
    sd = at.sd(level)
    middle = np.where(known, days, 0.0).sum(axis=1) / counts
    away = np.where(known, days - middle[:, None], 0.0)
    bound = (2.0 * sd)[:, None]
    clipped = np.clip(values - level[:, None], -bound, bound)
    spread = np.maximum((away**2).sum(axis=1), 1e-9)
    slope = (away * clipped).sum(axis=1) / spread
    goes_on = slope * at.direction * np.sqrt(spread) / sd > rules.goes_on_errors
    return np.asarray(long_ago & ~goes_on, dtype=np.bool_)
