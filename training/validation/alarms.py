"""How often calls of worsening precede ICU admission or death, and how many are false."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.advice import calls_of, watch_one
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.present.table import Table, format_estimate
from pneumoscore.records.days import time_of_day
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from training.validation.series import PatientSeries

__all__ = [
    "AlarmRule",
    "alarm_table",
    "any_increase",
    "evaluate_alarms",
    "outcome_table",
    "worsening",
]

AlarmRule = Callable[[PatientSeries], list[float]]
"""Takes a series, returns the days on which it calls worsening."""

_ADVERSE = ("icu_admission", "death")


def worsening(errors: ErrorModel, rules: RuleSet) -> AlarmRule:
    """Return the rule that calls where a rise is called on any scale."""

    def call(series: PatientSeries) -> list[float]:
        days = set()
        for scale in rules.scales:
            films = [film for film in series.films if scale in film.values]
            values = [film.values[scale] for film in films]
            smallest = rules.smallest_change.get(scale, 0.0)
            times = [time_of_day(film.day) for film in films]
            if films:
                said = watch_one(times, values, errors.scale(scale), rules, smallest)
                days |= {films[call.seen].day for call in calls_of(said) if call.higher}
        return sorted(days)

    return call


def any_increase(scales: Sequence[str]) -> AlarmRule:
    """Return the plain rule: a score is higher than on the film before, on any scale."""

    def call(series: PatientSeries) -> list[float]:
        days = set()
        for scale in scales:
            films = [film for film in series.films if scale in film.values]
            days |= {
                new.day for old, new in pairwise(films) if new.values[scale] > old.values[scale]
            }
        return sorted(days)

    return call


@dataclass(frozen=True, slots=True)
class _Patient:
    """What one rule does in one patient.

    Attributes
    ----------
    adverse : bool
        Whether ICU admission or death follows at least two films.
    called : bool
        Whether a call came before it, and not after it.
    lead : float
        Days from the first call to the event; NaN without.
    false : int
        Calls in a patient without adverse event.
    days : float
        Days from the first to the last film of a patient without adverse event.
    """

    adverse: bool
    called: bool
    lead: float
    false: int
    days: float


def _judge(series: PatientSeries, rule: AlarmRule) -> _Patient | None:
    """Return None for a series that says nothing: an event too early, an outcome unknown."""
    adverse = [series.events[kind] for kind in _ADVERSE if kind in series.events]
    later = [day for day in adverse if sum(film.day < day for film in series.films) >= 2]
    if later:
        day = min(later)
        calls = [call for call in rule(series) if call < day]
        return _Patient(True, bool(calls), day - calls[0] if calls else float("nan"), 0, 0.0)
    if series.died is not False or len(series.films) < 2:
        return None
    after = series.events.get("icu_admission")
    if series.went_to_icu is not False and (after is None or after > series.films[0].day):
        return None
    length = series.films[-1].day - series.films[0].day
    return _Patient(False, False, float("nan"), len(rule(series)), length)


def evaluate_alarms(
    series: Sequence[PatientSeries], rules: Mapping[str, AlarmRule], repeats: int = 1000
) -> dict[str, dict[str, Estimate]]:
    """Judge rules on series.

    A patient counts as an event if ICU admission or death follows at least two films; as
    free of events if known to have survived, to have had no ICU admission after the first
    film, and with two films or more. Others say nothing and are left out.

    Parameters
    ----------
    series : sequence of PatientSeries
        Real series.
    rules : mapping of str to AlarmRule
        By name.
    repeats : int, optional
        Draws of the bootstrap over patients.

    Returns
    -------
    dict
        By rule: ``"called before event"`` (share), ``"lead days"`` (median), ``"false calls
        per patient-day"``, ``"patients with false calls"`` (share), ``"events"`` and
        ``"others"`` (patients), ``"patient-days"``.
    """
    found = {}
    for name, rule in rules.items():
        judged = [
            (f"{item.source} {item.patient}", result)
            for item in series
            if (result := _judge(item, rule)) is not None
        ]
        if judged:
            results = [result for _, result in judged]
            bootstrap = PatientBootstrap(tuple(key for key, _ in judged), repeats)
            found[name] = bootstrap.estimate(partial(_statistics, results))
    return found


def _statistics(results: Sequence[_Patient], draw: Draw) -> dict[str, float]:
    drawn = [results[int(place)] for place in draw.index]
    events = [item for item in drawn if item.adverse]
    others = [item for item in drawn if not item.adverse]
    leads = [item.lead for item in events if item.called]
    days = sum(item.days for item in others)
    nothing = float("nan")
    return {
        "events": float(len(events)),
        "called before event": float(np.mean([item.called for item in events]))
        if events
        else nothing,
        "lead days": float(np.median(leads)) if leads else nothing,
        "others": float(len(others)),
        "patient-days": float(days),
        "false calls per patient-day": sum(item.false for item in others) / days
        if days
        else nothing,
        "patients with false calls": float(np.mean([item.false > 0 for item in others]))
        if others
        else nothing,
    }


def alarm_table(title: str, found: Mapping[str, Mapping[str, Estimate]]) -> Table:
    """Return rules side by side, with how small the numbers are."""
    rows = []
    note = "No patient can be judged."
    for name, values in found.items():
        rows.append(
            (
                name,
                format_estimate(values["called before event"]),
                format_estimate(values["lead days"], 1),
                format_estimate(values["false calls per patient-day"], 3),
                format_estimate(values["patients with false calls"]),
            )
        )
        events, others = int(values["events"].value), int(values["others"].value)
        small = " These numbers are too small to judge sensitivity." if events < 20 else ""
        note = (
            f"{events} patients with ICU admission or death after two films or more, {others} "
            f"recorded with neither, {values['patient-days'].value:.0f} patient-days. 95 % "
            f"intervals by bootstrap over patients.{small}"
        )
    return Table(
        title,
        (
            "rule",
            "called before the event",
            "lead, days (median)",
            "false calls per patient-day",
            "patients with false calls",
        ),
        tuple(rows),
        note,
    )


def _share(called: NDArray[np.float64], draw: Draw) -> dict[str, float]:
    return {"share": float(called[draw.index].mean())}


def outcome_table(
    series: Sequence[PatientSeries], rules: Mapping[str, AlarmRule], repeats: int = 1000
) -> Table:
    """Return how often each rule ever calls worsening, by outcome, where no day is known."""
    rows = []
    for title, wanted in (("died", True), ("survived", False)):
        group = [item for item in series if item.died is wanted and len(item.films) >= 2]
        if not group:
            continue
        keys = tuple(f"{item.source} {item.patient}" for item in group)
        cells = []
        for rule in rules.values():
            called = np.array([bool(rule(item)) for item in group], dtype=np.float64)
            estimate = PatientBootstrap(keys, repeats).estimate(partial(_share, called))
            cells.append(format_estimate(estimate["share"]))
        rows.append((title, str(len(group)), *cells))
    return Table(
        "Patients in whom worsening is ever called, by outcome",
        ("outcome", "patients", *rules),
        tuple(rows),
        "Series of two films or more. 95 % intervals by bootstrap over patients.",
    )
