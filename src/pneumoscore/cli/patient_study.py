"""``pneumoscore patient fit-error-model``, ``simulate``, ``validate``: how good the rules are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads
from pneumoscore.cli.patient_options import ErrorModelFile, RulesFile
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import say
from pneumoscore.cli.study_options import Data, Out, Repeats
from pneumoscore.cli.study_tables import print_tables

__all__ = ["register"]


def fit_error_model(
    data: Data,
    model: ModelName = None,
    films: Annotated[int, typer.Option("--films", min=20, help="Films to perturb.")] = 150,
    retakes: Annotated[
        int, typer.Option("--retakes", min=2, help="Perturbed copies of each film.")
    ] = 8,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="JSON", help="File to write. Default: where it is looked for."
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Measure a model's test-retest error, by perturbation and by films of one day."""
    from pneumoscore.monitor.change.error_model import write_error_model
    from pneumoscore.monitor.fitting import fit_error_model as run
    from pneumoscore.monitor.validation.report import detectable_table
    from pneumoscore.severity.model import SeverityModel

    opened = SeverityModel.open(model, threads=threads)
    with LateProgress("films") as bar:
        errors = run(
            opened,
            data,
            films=films,
            retakes=retakes,
            progress=lambda done: bar.update(done, None),
        )
    path = write_error_model(errors, out)
    typer.echo(detectable_table(errors).markdown())
    say(f"error model: {path}")


def simulate(
    model: ModelName = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    series: Annotated[
        int,
        typer.Option("--series", min=10, help="Series for each level, length and kind."),
    ] = 2000,
) -> None:
    """Apply the rules to series whose truth is known."""
    from pneumoscore.monitor.change.error_model import find_error_model
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.monitor.simulation import simulate as run
    from pneumoscore.monitor.simulation import simulation_table
    from pneumoscore.severity.model import SeverityModel

    chosen = read_rules(rules)
    errors = find_error_model(SeverityModel.open(model).identity, error_model)
    typer.echo(simulation_table(run(errors, chosen, series), chosen).markdown())


def validate(
    data: Data,
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
    from pneumoscore.monitor.validation.report import validate as run
    from pneumoscore.monitor.validation.report import write_validation
    from pneumoscore.severity.model import SeverityModel

    chosen = read_rules(rules)
    opened = SeverityModel.open(model, threads=threads)
    errors = find_error_model(opened.identity, error_model)
    with LateProgress("films") as bar:
        found = run(
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
    say(f"tables, figures and numbers: {out}")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("fit-error-model")(fit_error_model)
    app.command()(simulate)
    app.command()(validate)
