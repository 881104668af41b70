"""``figures``, ``fit-error-model``, ``validate``: the project's own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads
from pneumoscore.cli.patient_options import ErrorModelFile, RulesFile
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import Cache, Out, Repeats
from pneumoscore.cli.study_tables import print_tables
from training.commands.options import DATA, Data

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command("fit-error-model")(_fit_error_model)
    app.command("validate")(_validate)
    app.command("figures")(_figures)


def _fit_error_model(
    data: Data = DATA,
    model: ModelName = None,
    films: Annotated[int, typer.Option("--films", min=20, help="Films to perturb.")] = 100,
    retakes: Annotated[
        int, typer.Option("--retakes", min=2, help="Perturbed copies of each film.")
    ] = 6,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE",
            help="Out-of-fold predictions: their pairs of one day count too; those of the "
            "series alone are of too few patients.",
        ),
    ] = None,
    apart: Annotated[
        float,
        typer.Option("--apart", min=0.0, metavar="DAYS", help="Most days between two of a pair."),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="JSON", help="File to write. Default: where it is looked for."
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Measure a built-in model's error on public films that no label taught a network.

    Pairs are films of one patient and day: of the series, and, by networks that saw neither, of
    the scored films.
    """
    from pneumoscore.monitor.change.error_model import write_error_model
    from pneumoscore.monitor.error_fitting import fit_error_model
    from pneumoscore.monitor.error_table import detectable_table
    from pneumoscore.severity.model import SeverityModel
    from training.validation.unfitted import UNFITTED, out_of_fold_pairs, unfitted_films

    opened = SeverityModel.open(model, threads=threads)
    with LateProgress("films") as bar:
        errors = fit_error_model(
            opened,
            unfitted_films(data),
            perturbed=films,
            retakes=retakes,
            apart_days=apart,
            of_what=UNFITTED,
            more_pairs=None if predictions is None else out_of_fold_pairs(data, predictions),
            progress=lambda done: bar.update(done, None),
        )
    path = write_error_model(errors, out)
    typer.echo(detectable_table(errors).markdown())
    say(f"error model: {path}")


def _validate(
    data: Data = DATA,
    model: ModelName = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    out: Out = Path("patient-validation"),
    repeats: Repeats = 1000,
    series: Annotated[
        int, typer.Option("--series", min=10, help="Simulated series, as in 'simulate'.")
    ] = 2000,
    threads: Threads = None,
) -> None:
    """Judge the rules on real series and in simulation; print tables, write figures."""
    from pneumoscore.monitor.change.error_model import find_error_model
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.severity.model import SeverityModel
    from training.validation.report import validate, write_validation

    chosen = read_rules(rules)
    opened = SeverityModel.open(model, threads=threads)
    errors = find_error_model(opened.identity, error_model)
    with LateProgress("films") as bar:
        found = validate(
            opened,
            errors,
            chosen,
            data,
            repeats=repeats,
            simulated=series,
            progress=lambda done: bar.update(done, None),
        )
    write_validation(found, out)
    print_tables(table for _, table in found.tables)
    say(f"tables, plots and numbers: {out}")


def _figures(
    data: Data = DATA,
    model: ModelName = None,
    generic: Annotated[
        str, typer.Option("--generic", metavar="NAME|RECORD", help="Backbone of figure 1.")
    ] = "generic",
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", metavar="FILE", help="Out-of-fold predictions, for figures 3 and 6."
        ),
    ] = None,
    only: Annotated[
        list[int] | None, typer.Option("--only", min=1, max=8, help="Only this figure; repeat.")
    ] = None,
    out: Out = Path("figures"),
    repeats: Repeats = 1000,
    cache: Cache = None,
    threads: Threads = None,
) -> None:
    """Compute the figures of the model card, each beside its goal.

    1 the paper's protocol, 2 the 94 unseen, 3 cross-validation (--predictions), 4 place,
    5 steadiness, 6 coverage, 7 refusal, 8 time and size.
    """
    from training.goals.figure_run import run_figures

    wanted = tuple(sorted(set(only or range(1, 9))))
    with LateProgress("films") as bar:
        table = run_figures(
            data,
            wanted,
            out,
            model=model,
            generic=generic,
            predictions=predictions,
            repeats=repeats,
            cache=cache,
            threads=threads,
            progress=lambda done: bar.update(done, None),
        )
    print_tables([table])
    say(f"table and numbers: {out}")
