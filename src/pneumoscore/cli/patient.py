"""``pneumoscore patient``: scores over days, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli import patient_corrections, patient_import, patient_study, patient_views
from pneumoscore.cli.options import Overwrite, new_app
from pneumoscore.cli.patient_options import (
    Actor,
    PatientId,
    RecordsPlace,
    open_records,
    records_place,
    time_argument,
)

__all__ = ["app"]

app = new_app(
    "Follow patients: scores over days, what changed, and how sure that is.\n\n"
    "RESEARCH USE ONLY, NOT FOR MEDICAL USE.",
    "monitor",
    "alembic",
    "matplotlib",
    "sqlalchemy",
)
patient_import.register(app)


@app.command(
    epilog="\b\nExamples:\n"
    "  pneumoscore patient event 4711 icu_admission '2026-03-01 14:30'\n"
    "  pneumoscore patient event hannover-0f2b9fbd proning 'day 3'"
)
def event(
    patient: PatientId,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="admission, oxygen, icu_admission, intubation, proning, treatment_start, "
            "extubation, icu_discharge, discharge or death.",
        ),
    ],
    at: Annotated[
        str, typer.Argument(metavar="TIME", help="'2026-03-01 14:30', 2026-03-01, or 'day 3'.")
    ],
    detail: Annotated[str, typer.Option("--detail", metavar="TEXT", help="Free text.")] = "",
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Record what happened to a patient."""
    from pneumoscore.records.events import add_events
    from pneumoscore.records.reading import read_timeline
    from pneumoscore.records.types import EventRecord

    when, calendar = time_argument(at)
    with open_records(records) as place:
        if read_timeline(place, patient).calendar != calendar:
            raise typer.BadParameter(
                "this patient's films are known by "
                + ("day: give 'day 3'" if calendar else "date: give 2026-03-01")
            )
        new = add_events(place, [EventRecord(patient, kind, when, detail)], actor=actor)
    typer.echo("recorded" if new else "was recorded already")


@app.command()
def note(
    patient: PatientId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
    film: Annotated[
        str | None, typer.Option("--film", metavar="UID", help="The film it is on.")
    ] = None,
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Write a note on a patient or a film; notes cannot be changed."""
    from pneumoscore.records.events import add_note

    with open_records(records) as place:
        add_note(place, patient, text, film_uid=film, actor=actor)
    typer.echo("recorded")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    records: RecordsPlace = None,
    overwrite: Overwrite = False,
) -> None:
    """Write all records to one file, checked before it gets its name.

    An earlier backup is replaced, other files with --overwrite only.
    """
    from pneumoscore.records.backup import backup as run

    with open_records(records) as place:
        counts = run(place, file, overwrite=overwrite)
    typer.echo(f"{file}: {counts['films']} films, {counts['scores']} scores, whole")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    records: RecordsPlace = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Put it in the place of records; they are kept beside."),
    ] = False,
    actor: Actor = None,
) -> None:
    """Put a backup in the place of the records, after checking it."""
    from pneumoscore.records.backup import restore as run

    counts = run(file, records_place(records), replace=replace, actor=actor)
    typer.echo(f"restored: {counts['films']} films, {counts['scores']} scores")


@app.command()
def check(records: RecordsPlace = None) -> None:
    """Check that the records are whole, and count them."""
    from pneumoscore.records.backup import check_records

    with open_records(records) as place:
        for name, count in check_records(place).items():
            typer.echo(f"{name:11} {count}")


patient_corrections.register(app)
patient_views.register(app)
patient_study.register(app)
