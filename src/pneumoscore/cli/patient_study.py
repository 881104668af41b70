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


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(simulate)
