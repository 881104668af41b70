"""``pneumoscore patient fit-error-model``, ``simulate``, ``validate``: how good the rules are."""

from __future__ import annotations

from typing import Annotated

import typer

from pneumoscore.cli.options import ModelName
from pneumoscore.cli.patient_options import ErrorModelFile, RulesFile

__all__ = ["register"]


def simulate(
    model: ModelName = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    series: Annotated[
        int, typer.Option("--series", min=10, help="Patients for each level of the score.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of the random numbers.")] = 0,
) -> None:
    """Apply the rules to patients whose truth is known; print false calls and delays.

    Errors come by Student's t with 3 degrees of freedom, correlated from day to day, with the
    standard deviation of the error model, which is printed beside the figures.
    """
    from pneumoscore.monitor.change.error_model import find_error_model
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.monitor.simulation import simulate as run
    from pneumoscore.monitor.simulation import simulation_table
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.severity.score import RESEARCH_NOTICE

    chosen = read_rules(rules)
    errors = find_error_model(SeverityModel.open(model).identity, error_model)
    table = simulation_table(run(errors, chosen, series=series, seed=seed), chosen, errors)
    typer.echo(table.markdown())
    typer.echo(f"{RESEARCH_NOTICE}.")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(simulate)
