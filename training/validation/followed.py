"""How scores move in followed patients, what is called, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pneumoscore.monitor.change.advice import calls_of, watch_one
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.present.table import Table, format_estimate
from pneumoscore.records.days import time_of_day
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.bootstrap import Draw, PatientBootstrap
from training.validation.series import PatientSeries

__all__ = ["followed_table"]

_ENDS = (("died", True), ("survived", False), ("unknown", None))
_SMALL = 20


def followed_table(
    title: str,
    series: Sequence[PatientSeries],
    errors: ErrorModel,
    rules: RuleSet,
    repeats: int = 1000,
) -> Table:
    """Return, by scale and outcome, how scores move and how often the rules call.

    Parameters
    ----------
    title : str
        Of the table.
    series : sequence of PatientSeries
        Those with films of two days or more count.
    errors, rules
        What is called.
    repeats : int, optional
        Draws of the bootstrap over patients.
    """
    rows = []
    few = False
    for scale in rules.scales:
        for word, died in _ENDS:
            group = [
                item
                for item in series
                if item.died is died
                and len({film.day for film in item.films if scale in film.values}) > 1
            ]
            if not group:
                continue
            few |= len(group) < _SMALL
            values = np.array([_measured(item, scale, errors, rules) for item in group])
            bootstrap = PatientBootstrap(tuple(item.patient for item in group), repeats)
            found = bootstrap.estimate(partial(_statistics, values))
            rows.append(
                (
                    scale_named(scale).title,
                    word,
                    str(len(group)),
                    f"{values[:, 4].sum():.0f}",
                    f"{values[:, 1].sum() / 7.0:.0f}",
                    format_estimate(found["change"]),
                    format_estimate(found["rises"]),
                    format_estimate(found["falls"]),
                    format_estimate(found["rises a week"]),
                )
            )
    small = f" Groups of fewer than {_SMALL} patients are too small to judge." if few else ""
    return Table(
        title,
        ("score", "outcome", "patients", "films", "patient-weeks", "change from first to last film",
         "patients with a rise called", "with a fall called", "rises called a week"),
        tuple(rows),
        "Series with films of two days or more; 95 % intervals by bootstrap over patients. A rise "
        "called in a survivor may be true: nobody read these films for change." + small,
    )  # fmt: skip


def _measured(
    item: PatientSeries, scale: str, errors: ErrorModel, rules: RuleSet
) -> tuple[float, float, float, float, float]:
    """Return change, days, rises called, falls called and films of one patient."""
    films = [film for film in item.films if scale in film.values]
    values = [film.values[scale] for film in films]
    times = [time_of_day(film.day) for film in films]
    smallest = rules.smallest_change.get(scale, 0.0)
    calls = calls_of(watch_one(times, values, errors.scale(scale), rules, smallest))
    rises = sum(call.higher for call in calls)
    return (
        values[-1] - values[0],
        films[-1].day - films[0].day,
        float(rises),
        float(len(calls) - rises),
        float(len(films)),
    )


def _statistics(values: NDArray[np.float64], draw: Draw) -> dict[str, float]:
    drawn = values[draw.index]
    weeks = drawn[:, 1].sum() / 7.0
    return {
        "change": float(drawn[:, 0].mean()),
        "rises": float((drawn[:, 2] > 0).mean()),
        "falls": float((drawn[:, 3] > 0).mean()),
        "rises a week": float(drawn[:, 2].sum() / weeks) if weeks else float("nan"),
    }
