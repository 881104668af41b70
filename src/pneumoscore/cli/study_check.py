"""``pneumoscore study check``: faults of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.status import ExitStatus
from pneumoscore.cli.study_options import Images, MappingFile, NamedData

__all__ = ["register"]


def check(
    cohort: Annotated[str, typer.Option("--cohort", metavar="NAME|TABLE", help="What to check.")],
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    fitted: Annotated[
        Path | None,
        typer.Option(
            "--fitted",
            metavar="TABLE",
            help="What a model was fitted on: no patient may be in both.",
        ),
    ] = None,
) -> None:
    """Look for faults in a cohort and name each one; exit status 1 if there are any."""
    from pneumoscore.cohort.checks import check_cohort, check_split, count_faults
    from pneumoscore.study.cohorts import open_cohort

    films = open_cohort(cohort, data, images, mapping)
    faults = check_cohort(films)
    if fitted is not None:
        faults += check_split(open_cohort(str(fitted), None, images, mapping), films)
    for fault in faults:
        typer.echo(f"{fault.kind}: {', '.join(fault.films)}: {fault.detail}")
    for kind, count in count_faults(faults).items():
        typer.echo(f"{count} x {kind}")
    typer.echo(f"{len(films)} films, {len(set(films.patients))} patients, {len(faults)} faults")
    if faults:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(epilog="Example: pneumoscore study check --cohort films.csv")(check)
