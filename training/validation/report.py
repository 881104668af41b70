"""The validation as one run: tables, figures, numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.error_table import detectable_table
from pneumoscore.monitor.simulation import simulate, simulation_table
from pneumoscore.present.table import Table, write_json, write_table
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE
from training.validation.alarms import (
    alarm_table,
    any_increase,
    evaluate_alarms,
    outcome_table,
    worsening,
)
from training.validation.followed import followed_table
from training.validation.movement import correlation_table, movement_table, within_pairs
from training.validation.series import (
    PatientSeries,
    collection_series,
    hannover_series,
    score_cohorts,
    unfitted_series,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Validation", "validate", "write_validation"]


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """What a validation found.

    Attributes
    ----------
    tables : tuple of (str, Table)
        By file name.
    figures : tuple of (str, Figure)
        By file name.
    """

    tables: tuple[tuple[str, Table], ...]
    figures: tuple[tuple[str, Figure], ...]


def validate(
    model: SeverityModel,
    errors: ErrorModel,
    rules: RuleSet,
    data: Path,
    *,
    repeats: int = 1000,
    simulated: int = 200,
    progress: Callable[[int], None] | None = None,
) -> Validation:
    """Judge error model and rules in simulation and on real series.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    errors : ErrorModel
        Its error.
    rules : RuleSet
        Which rules.
    data : Path
        Folder of the public films.
    repeats : int, optional
        Draws of the bootstrap over patients.
    simulated : int, optional
        Patients for each level.
    progress : callable, optional
        Called with the number of films done.
    """
    scores = score_cohorts(model, data, progress)
    hannover = hannover_series(data, scores["hannover"])
    unfitted = unfitted_series(data, scores["series"])
    everyone = [*hannover, *collection_series(data, scores["collection"])]
    calls = {
        f"{rules.name} {rules.version}": worsening(errors, rules),
        "any increase": any_increase(rules.scales),
    }
    scales = rules.scales
    tables = (
        ("detectable", detectable_table(errors)),
        ("simulation", simulation_table(simulate(errors, rules, series=simulated), rules, errors)),
        ("movement", movement_table(everyone, scales, repeats)),
        ("blood", correlation_table(hannover, scales, repeats)),
        (
            "alarms",
            alarm_table(
                "Calls of worsening before ICU admission or death",
                evaluate_alarms(everyone, calls, repeats),
            ),
        ),
        ("outcomes", outcome_table(everyone, calls, repeats)),
        ("hannover", followed_table("The Hannover stays", hannover, errors, rules, repeats)),
        (
            "series",
            followed_table(
                "Series that no network was fitted on by a label", unfitted, errors, rules, repeats
            ),
        ),
    )
    figures = (
        ("courses", _courses(hannover, scales)),
        ("blood", _blood(hannover, scales[0])),
    )
    return Validation(tables, figures)


def write_validation(found: Validation, folder: Path) -> None:
    """Write tables as CSV and Markdown, figures as PNG and SVG, and ``validation.json``."""
    from pneumoscore.present.plots import save_plot

    for name, table in found.tables:
        write_table(folder, name, table)
    for name, figure in found.figures:
        save_plot(figure, folder, name)
    content = {
        name: {"title": table.title, "header": table.header, "rows": table.rows}
        for name, table in found.tables
    }
    write_json(folder / "validation.json", {"notice": RESEARCH_NOTICE, **content})


def _figure(columns: int) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 3.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, columns))
    figure.supxlabel(RESEARCH_NOTICE, fontsize=6, color="#8a8a8a")
    return figure, list(axes)


def _courses(series: Sequence[PatientSeries], scales: Sequence[str]) -> Figure:
    """Draw the series of two films or more around ICU admission, by outcome."""
    figure, axes = _figure(len(scales))
    for axis, name in zip(axes, scales, strict=True):
        scale = scale_named(name)
        for item in series:
            day = item.events.get("icu_admission")
            films = [film for film in item.films if name in film.values]
            if day is None or len(films) < 2:
                continue
            colour = "#b5432f" if item.died else "#1f5f8b"
            axis.plot(
                [film.day - day for film in films],
                [film.values[name] for film in films],
                marker="o",
                markersize=2.5,
                linewidth=0.8,
                color=colour,
                alpha=0.8,
            )
        axis.set_ylim(scale.low, scale.high)
        axis.set_ylabel(f"{scale.title} ({scale.low:g}-{scale.high:g})")
        axis.set_xlabel("days after ICU admission (red: died)")
    return figure


def _blood(series: Sequence[PatientSeries], scale: str) -> Figure:
    """Draw changes of the score against changes of pO2 and CRP."""
    figure, axes = _figure(2)
    for axis, (name, label) in zip(axes, (("po2", "pO2"), ("crp", "CRP")), strict=True):
        changes = within_pairs(series, scale, name).changes
        axis.axhline(0.0, color="#cccccc", linewidth=0.8)
        axis.axvline(0.0, color="#cccccc", linewidth=0.8)
        axis.plot(changes[:, 0], changes[:, 1], "o", markersize=3, color="#1f5f8b")
        axis.set_xlabel(f"change of {scale_named(scale).title.lower()}, points")
        axis.set_ylabel(f"change of {label}")
    return figure
