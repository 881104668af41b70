"""What the rules do when the truth is known, with errors that no rule assumes.

Errors are not normal and not independent here: Student's t with three degrees of freedom,
carried over from day to day. Their standard deviation is that of the error model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.watch import WORDS, Watched, watch
from pneumoscore.present.table import Table
from pneumoscore.severity.scale import Scale, scale_named

__all__ = ["Course", "Simulated", "draw_errors", "simulate", "simulation_table"]

Floats = NDArray[np.float64]
_WARM_UP = 30
_MAIN = "geographic_extent"


@dataclass(frozen=True, slots=True)
class Course:
    """How the simulated films come.

    Attributes
    ----------
    degrees : float
        Degrees of freedom of the errors' t distribution.
    carried_over : float
        Correlation of the errors of one day and the next.
    films_a_day : float
        Chance of a film on a day; the first day has one.
    stable_days : int
        Days of a series without change.
    days_before, rise_days : int
        Stable days before a rise, and days that it takes.
    rise : float
        Points of it.
    odd : float
        Points by which one film of a stable series is off, in the series with an odd film.
    """

    degrees: float = 3.0
    carried_over: float = 0.3
    films_a_day: float = 0.8
    stable_days: int = 14
    days_before: int = 7
    rise_days: int = 20
    rise: float = 4.0
    odd: float = 4.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """Shares of simulated patients.

    Attributes
    ----------
    error : str
        Which error the films were drawn with.
    smallest_sd, largest_sd : float
        Its standard deviation over the levels, points of `geographic_extent`.
    false_calls_per_week : float
        Calls of a patient without change in a week, on any scale.
    ever_called, worst_ever_called : float
        Stable patients ever called changed: over all levels, and at the worst level.
    films_to_be_confirmed : float
        Films of stable patients that are to be confirmed, on any scale.
    rise_called : float
        Slow rises that are called.
    median_delay, late_delay : float
        Days from the onset to the call: median, and 90 % of those called; infinite if fewer
        than that are called.
    rise_said_at_end : float
        Slow rises of which the last film's word is "worsening".
    odd_called : float
        Stable patients with one odd film that are called at that film or one of the next two.
    """

    error: str
    smallest_sd: float
    largest_sd: float
    false_calls_per_week: float
    ever_called: float
    worst_ever_called: float
    films_to_be_confirmed: float
    rise_called: float
    median_delay: float
    late_delay: float
    rise_said_at_end: float
    odd_called: float


@dataclass(frozen=True, slots=True, eq=False)
class _Films:
    """Drawn films: times and scores in order, and how many each series has."""

    days: Floats
    values: Floats
    counts: NDArray[np.int64]


def draw_errors(series: int, days: int, course: Course, generator: np.random.Generator) -> Floats:
    """Return daily errors with standard deviation 1, shape (series, days).

    A first-order autoregression whose innovations follow Student's t.
    """
    width = np.sqrt(course.degrees / (course.degrees - 2.0))
    fresh = generator.standard_t(course.degrees, (series, _WARM_UP + days)) / width
    kept = np.sqrt(1.0 - course.carried_over**2)
    drawn = np.zeros((series, _WARM_UP + days))
    for day in range(1, _WARM_UP + days):
        drawn[:, day] = course.carried_over * drawn[:, day - 1] + kept * fresh[:, day]
    return drawn[:, _WARM_UP:]


def simulate(
    errors: ErrorModel,
    rules: RuleSet,
    *,
    series: int = 200,
    course: Course | None = None,
    seed: int = 0,
) -> list[Simulated]:
    """Draw patients, apply the rules, count.

    Parameters
    ----------
    errors : ErrorModel
        Its standard deviation at the true level is that of the errors drawn, and the one that
        the rules use; a second run draws with the upper bound of its interval while the rules
        still use the estimate.
    rules : RuleSet
        The rules.
    series : int, optional
        Patients for each level, one point of `geographic_extent` apart.
    course : Course, optional
        How films come.
    seed : int, optional
        Of the generator.
    """
    chosen = course or Course()
    generator = np.random.default_rng(seed)
    largest = ErrorModel(
        errors.name,
        errors.version,
        errors.sha256,
        {name: part.at_its_upper_bound() for name, part in errors.scales.items()},
    )
    drawn = [("as measured", errors)]
    if any(part.high > 1.0 for part in errors.scales.values()):
        drawn.append(("at its upper bound", largest))
    return [_simulate(name, true, errors, rules, series, chosen, generator) for name, true in drawn]


def _simulate(
    name: str,
    true: ErrorModel,
    errors: ErrorModel,
    rules: RuleSet,
    series: int,
    course: Course,
    generator: np.random.Generator,
) -> Simulated:
    main = scale_named(_MAIN)
    levels = np.repeat(np.arange(main.low, main.high + 0.5), series)
    days = course.stable_days
    called = np.zeros((len(levels), days), dtype=bool)
    unsure = np.zeros((len(levels), days), dtype=bool)
    films = 0
    odd = np.zeros(len(levels), dtype=bool)
    for scale in rules.scales:
        there = scale_named(scale)
        truth = np.tile(_on(levels, main, there)[:, None], (1, days))
        drawn = _draw(truth, true.scale(scale), there, course, generator)
        said = _watch(drawn, errors, rules, scale)
        called |= said.called != 0
        unsure |= said.words == WORDS.index("to be confirmed")
        films = max(films, int(drawn.counts.sum()))
        odd |= _odd_called(drawn, errors, rules, there, course)
    ever = called.any(axis=1)
    by_level = ever.reshape(-1, series).mean(axis=1)
    rise = _rises(true, errors, rules, series, course, generator)
    sds = [true.scale(_MAIN).sd(level) for level in np.unique(levels)]
    return Simulated(
        error=name,
        smallest_sd=min(sds),
        largest_sd=max(sds),
        false_calls_per_week=float(called.sum() / len(levels) / (days / 7.0)),
        ever_called=float(ever.mean()),
        worst_ever_called=float(by_level.max()),
        films_to_be_confirmed=float(unsure.sum() / films),
        odd_called=float(odd.mean()),
        **rise,
    )


def _on(levels: Floats, main: Scale, other: Scale) -> Floats:
    """Return levels at the same place of another scale."""
    return other.low + (levels - main.low) / (main.high - main.low) * (other.high - other.low)


def _draw(
    truth: Floats,
    errors: ScaleError,
    scale: Scale,
    course: Course,
    generator: np.random.Generator,
) -> _Films:
    series, days = truth.shape
    sds = np.interp(truth, errors.scores, errors.sds)
    scores = np.clip(
        truth + sds * draw_errors(series, days, course, generator), scale.low, scale.high
    )
    taken = generator.random((series, days)) < course.films_a_day
    taken[:, 0] = True
    order = np.argsort(~taken, axis=1, kind="stable")
    times = np.broadcast_to(np.arange(days, dtype=np.float64), (series, days))
    return _Films(
        np.take_along_axis(times, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
        taken.sum(axis=1),
    )


def _watch(films: _Films, errors: ErrorModel, rules: RuleSet, scale: str) -> Watched:
    smallest = rules.smallest_change.get(scale, 0.0)
    part = errors.scale(scale)
    return watch(films.days, films.values, films.counts, part, rules, smallest)


def _odd_called(
    films: _Films, errors: ErrorModel, rules: RuleSet, scale: Scale, course: Course
) -> NDArray[np.bool_]:
    """Say which stable series are called because of one film that is off, the sixth."""
    place, size = 5, course.odd * (scale.high - scale.low) / 8.0
    values = films.values.copy()
    up = values[:, place] + size <= scale.high
    values[:, place] += np.where(up, size, -size)
    np.clip(values, scale.low, scale.high, out=values)
    said = _watch(replace(films, values=values), errors, rules, scale.name)
    return np.asarray((said.called[:, place : place + 3] != 0).any(axis=1))


def _rises(
    true: ErrorModel,
    errors: ErrorModel,
    rules: RuleSet,
    series: int,
    course: Course,
    generator: np.random.Generator,
) -> dict[str, float]:
    scale = scale_named(_MAIN)
    levels = np.repeat(np.arange(scale.low, scale.high - course.rise + 0.5), series)
    way = np.concatenate(
        [np.zeros(course.days_before), course.rise * np.arange(1, course.rise_days + 1)
         / course.rise_days]
    )  # fmt: skip
    truth = levels[:, None] + way
    films = _draw(truth, true.scale(_MAIN), scale, course, generator)
    said = _watch(films, errors, rules, _MAIN)
    onset = course.days_before - 1
    right = (said.called == 1) & (films.days > onset)
    found = right.any(axis=1)
    rows = np.arange(len(levels))
    delays = np.where(found, films.days[rows, right.argmax(axis=1)] - onset, np.inf)
    last = said.words[rows, films.counts - 1]
    return {
        "rise_called": float(found.mean()),
        "median_delay": float(np.quantile(delays, 0.5, method="higher")),
        "late_delay": float(np.quantile(delays, 0.9, method="higher")),
        "rise_said_at_end": float((last == WORDS.index("worsening")).mean()),
    }


def simulation_table(
    simulated: Sequence[Simulated], rules: RuleSet, errors: ErrorModel, course: Course | None = None
) -> Table:
    """Return what was counted, one column for each error."""
    way = course or Course()
    title = (
        f"The rules {rules.label} in simulation, with the error of {errors.name} {errors.version}"
    )
    labels = {
        "ever_called": f"stable for {way.stable_days} days: ever called changed (goal 5 % at most)",
        "worst_ever_called": "the same at the worst level",
        "false_calls_per_week": "false calls per patient-week",
        "films_to_be_confirmed": "films of stable patients that are to be confirmed",
        "odd_called": f"one odd film of {way.odd:g} points: called",
        "rise_called": f"{way.rise:+g} points in {way.rise_days} days: called (goal 90 % at least)",
        "median_delay": "median days from the onset to the call (goal 9 at most)",
        "late_delay": "days until 90 % are called",
        "rise_said_at_end": 'last film\'s word is "worsening"',
    }
    in_days = {"median_delay", "late_delay"}
    sds = tuple(f"{item.smallest_sd:.2f} to {item.largest_sd:.2f}" for item in simulated)
    rows = [("standard deviation of one film's error, points of extent", *sds)]
    for name in (item.name for item in fields(Simulated)):
        if name in labels:
            values = [getattr(item, name) for item in simulated]
            cells = (
                (f"{value:.0f}" for value in values)
                if name in in_days
                else (f"{100.0 * value:.1f} %" for value in values)
            )
            rows.append((labels[name], *cells))
    return Table(
        title,
        ("", *(f"error {item.error}" for item in simulated)),
        tuple(rows),
        f"Errors by Student's t with {way.degrees:g} degrees of freedom, correlated by "
        f"{way.carried_over:g} from day to day, independent between the scores; a film on "
        f"{100.0 * way.films_a_day:.0f} % of days; levels one point apart over the scale. Stable: "
        f"any of the {len(rules.scales)} scores. Rise: extent, {way.days_before} stable days "
        "first. The rules always use the error as measured.",
    )
