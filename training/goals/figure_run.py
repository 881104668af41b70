"""Computes the chosen figures and writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from pneumoscore.backbone.session import Backbone
from pneumoscore.errors import PneumoScoreError
from pneumoscore.present.table import Table, write_json, write_table
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.study.predictions import read_predictions
from training.goals.accuracy import (
    accuracy_figure,
    coverage_figure,
    cross_validation_figure,
    protocol_figure,
    unseen_predictions,
)
from training.goals.cost import cost_figure
from training.goals.figures import FigureResult, figures_overview
from training.goals.place import place_figure
from training.goals.rejection import rejection_figure
from training.goals.steadiness import steadiness_figure

__all__ = ["run_figures"]


def run_figures(
    data: Path,
    wanted: Sequence[int],
    out: Path,
    *,
    model: str | None = None,
    generic: str = "generic",
    predictions: Path | None = None,
    repeats: int = 1000,
    cache: Path | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Table:
    """Compute figures, write ``figures.md``, ``.csv`` and ``numbers.json``, return the table.

    Parameters
    ----------
    data : Path
        Folder of the public films and tables.
    wanted : sequence of int
        Numbers of `training.goals.figures.FigureResult`. Figure 3 is left out where no
        predictions are given, unless nothing else is wanted.
    out : Path
        Folder to fill.
    model : str, optional
        Severity model; default the built-in one.
    generic : str, optional
        Backbone of figure 1.
    predictions : Path, optional
        Out-of-fold predictions for figures 3 and 6, with their intervals.
    repeats : int, optional
        Draws of the bootstrap over patients.
    cache : Path, optional
        Folder of kept features.
    threads : int, optional
        Threads of the network.
    progress : callable, optional
        Called with the number of films done within a figure.

    Raises
    ------
    PneumoScoreError
        If a model or a table is missing.
    """
    if predictions is None and list(wanted) == [3]:
        raise PneumoScoreError(
            "figure 3 needs out-of-fold predictions", remedy="pass --predictions FILE"
        )
    results: list[FigureResult] = []
    opened = None
    if set(wanted) & {2, 4, 5, 6, 7}:
        opened = SeverityModel.open(model, threads=threads)
    if 1 in wanted:
        backbone = Backbone.open(generic, threads=threads)
        results.append(protocol_figure(data, backbone, cache, progress))
    unseen = {}
    if opened is not None and set(wanted) & {2, 6}:
        unseen = unseen_predictions(data, opened, progress)
    out_of_fold = {} if predictions is None else read_predictions(predictions)
    if 2 in wanted:
        results.append(accuracy_figure(unseen, repeats))
    if 3 in wanted and out_of_fold:
        results.append(cross_validation_figure(out_of_fold, repeats))
    if opened is not None:
        if 4 in wanted:
            results.append(place_figure(data, opened, repeats, progress))
        if 5 in wanted:
            results.append(steadiness_figure(data, opened, repeats, progress))
        if 6 in wanted:
            results.append(coverage_figure(unseen, out_of_fold, repeats))
        if 7 in wanted:
            results.append(rejection_figure(data, opened, progress))
    if 8 in wanted:
        results.append(cost_figure(data, model))
    table = figures_overview(results)
    write_table(out, "figures", table)
    identity = None if opened is None else opened.identity
    write_json(
        out / "numbers.json",
        {
            "notice": RESEARCH_NOTICE,
            "pneumoscore": version("pneumoscore"),
            "model": None if identity is None else asdict(identity),
            "bootstrap": {"repeats": repeats, "seed": 0, "by": "patient"},
            "figures": {str(result.number): result.numbers for result in results},
        },
    )
    return table
