"""``corpus-copies``, ``findings``: what the training films show."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from training.commands.options import (
    DATA,
    RUNS,
    THREADS,
    Config,
    Data,
    OutFile,
    Runs,
    Threads,
    shipment_of,
)

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command("corpus-copies")(_corpus_copies)
    app.command("findings")(_findings)


def _corpus_copies(
    out: OutFile,
    data: Data = DATA,
    runs: Runs = RUNS,
    archive: Annotated[
        str, typer.Option("--archive", metavar="NAME", help="Archive of the corpus.")
    ] = "covid_adult",
) -> None:
    """List corpus films that show a scored patient."""
    from training.corpus_copies import find_corpus_copies, write_corpus_copies
    from training.exclusions import find_exclusions

    exclusions = find_exclusions(data, runs / "exclusions.json")
    copies = find_corpus_copies(
        data,
        archive,
        exclusions.of_any_scored_patient,
        lambda done, count: typer.echo(f"{done} of {count} barred films", err=True),
    )
    write_corpus_copies(copies, out)


def _findings(
    config: Config,
    data: Data = DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    threads: Threads = THREADS,
) -> None:
    """Print the AUC of each finding on films kept aside, within each source."""
    from pneumoscore.backbone.session import Backbone
    from pneumoscore.severity.score import RESEARCH_NOTICE
    from training import finding_auc

    backbone = Backbone.open(shipment_of(config).name, threads=threads)
    measured = finding_auc.measure_backbone(backbone, data)
    if as_json:
        numbers = finding_auc.as_json(backbone.record, measured)
        typer.echo(json.dumps(numbers, indent=1, allow_nan=False))
        return
    for source in measured:
        typer.echo(finding_auc.finding_table(backbone.record, source).markdown())
    typer.echo(f"{finding_auc.NOTE}\n\n{RESEARCH_NOTICE}.")
