"""What the rules do when the truth is known: series drawn from an error model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.steps import find_steps
from pneumoscore.present.table import Table
from pneumoscore.severity.scale import Scale, scale_named

__all__ = ["Simulated", "simulate", "simulation_table", "step_of"]

_LENGTHS = (2, 3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Shares of simulated series, for one scale and length.

    Attributes
    ----------
    scale : str
        Which score.
    films : int
        Films of each series.
    pair_called : float
        Pairs without change that are called changed, over all levels.
    series_called, worst_series_called : float
        Series without change in which any film called a step: over all levels, and at the
        worst level.
    step_found, worst_step_found : float
        Series with a step of two smallest detectable changes in which it was found, by the
        last film: over all levels and places of the step, and at the worst level.
    found_at_once : float
        Series in which it was found at its first film.
    """

    scale: str
    films: int
    pair_called: float
    series_called: float
    worst_series_called: float
    step_found: float
    worst_step_found: float
    found_at_once: float


def step_of(errors: ScaleError, scale: Scale, start: float, sdcs: float = 2.0) -> float | None:
    """Return the level that lies `sdcs` smallest detectable changes over `start`.

    The smallest detectable change is taken at the mean of both levels. None if that is
    beyond the scale.
    """
    level = start
    for _ in range(200):
        level = start + sdcs * errors.smallest_detectable_change((start + level) / 2.0)
    return level if level <= scale.high else None


def simulate(
    errors: ErrorModel, rules: RuleSet, repeats: int = 1000, seed: int = 0
) -> list[Simulated]:
    """Draw series from the error model and apply the rules.

    Parameters
    ----------
    errors : ErrorModel
        Normal errors with its standard deviation at the true level, clipped to the scale.
    rules : RuleSet
        The rules.
    repeats : int, optional
        Series for each level, length and kind.
    seed : int, optional
        Of the generator.
    """
    generator = np.random.default_rng(seed)
    return [
        _simulate(errors.scale(name), scale_named(name), rules, films, repeats, generator)
        for name in rules.scales
        for films in _LENGTHS
    ]


def _simulate(
    errors: ScaleError,
    scale: Scale,
    rules: RuleSet,
    films: int,
    repeats: int,
    generator: np.random.Generator,
) -> Simulated:
    levels = np.arange(scale.low, scale.high + 0.5, 1.0)
    pairs, called, found, at_once = [], [], [], []
    for level in levels:
        flat = np.full((repeats, films), level)
        drawn = _drawn(flat, errors, scale, generator)
        called.append(_share(bool(find_steps(list(row), errors, rules)) for row in drawn))
        middle = (drawn[:, 0] + drawn[:, 1]) / 2.0
        bounds = np.array([errors.smallest_detectable_change(value) for value in middle])
        pairs.append(float(np.mean(np.abs(drawn[:, 1] - drawn[:, 0]) > bounds)))
        upper = step_of(errors, scale, float(level))
        if upper is None:
            continue
        places = generator.integers(1, films, repeats)
        stepped = np.where(np.arange(films) >= places[:, None], upper, level)
        # Half of the steps go down.
        stepped[::2] = level + upper - stepped[::2]
        outcomes = [
            _found(list(row), int(place), bool(number % 2), errors, rules)
            for number, (row, place) in enumerate(
                zip(_drawn(stepped, errors, scale, generator), places, strict=True)
            )
        ]
        found.append(_share(outcome is not None for outcome in outcomes))
        at_once.append(_share(outcome == 0 for outcome in outcomes))
    nothing = float("nan")
    return Simulated(
        scale.name,
        films,
        float(np.mean(pairs)),
        float(np.mean(called)),
        max(called),
        float(np.mean(found)) if found else nothing,
        min(found, default=nothing),
        float(np.mean(at_once)) if at_once else nothing,
    )


def _drawn(
    truth: NDArray[np.float64], errors: ScaleError, scale: Scale, generator: np.random.Generator
) -> NDArray[np.float64]:
    sd = np.interp(truth, errors.scores, errors.sds)
    noisy = truth + sd * generator.standard_normal(truth.shape)
    return np.clip(noisy, scale.low, scale.high)


def _found(
    values: Sequence[float], place: int, up: bool, errors: ScaleError, rules: RuleSet
) -> int | None:
    """Return after how many films a step in the right direction was seen; None if never."""
    for step in find_steps(values, errors, rules):
        if step.seen >= place and step.higher == up:
            return step.seen - place
    return None


def _share(outcomes: Iterable[bool]) -> float:
    return float(np.mean(list(outcomes)))


def simulation_table(simulated: Sequence[Simulated], rules: RuleSet) -> Table:
    """Return the shares as a table, in percent."""

    def percent(value: float) -> str:
        return "-" if np.isnan(value) else f"{100.0 * value:.1f} %"

    rows = tuple(
        (
            item.scale,
            str(item.films),
            percent(item.pair_called),
            percent(item.series_called),
            percent(item.worst_series_called),
            percent(item.step_found),
            percent(item.worst_step_found),
            percent(item.found_at_once),
        )
        for item in simulated
    )
    return Table(
        f"The rules {rules.name} {rules.version} in simulation",
        (
            "scale",
            "films",
            "no change, pair called",
            "no change, series called",
            "at the worst level",
            "step of 2 SDC found",
            "at the worst level",
            "found at its first film",
        ),
        rows,
        "Series drawn from the error model, levels one point apart, steps at any film. Aims: "
        "called at most 5 %, found at least 90 %. A pair is judged by the smallest detectable "
        "change, a series by the rules at every film.",
    )
