"""``pneumoscore patient merge``, ``erase`` and their kin: corrections by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.patient_options import (
    Actor,
    PatientId,
    RecordsPlace,
    open_records,
    time_argument,
)

__all__ = ["register"]


def merge(
    gone: Annotated[str, typer.Argument(metavar="GONE", help="Identifier that is given up.")],
    kept: Annotated[str, typer.Argument(metavar="KEPT", help="Identifier that stays.")],
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Record that two identifiers are one patient."""
    from pneumoscore.records.corrections import merge_patients

    with open_records(records) as place:
        merge_patients(place, gone, kept, actor=actor)
    typer.echo("merged")


def split(
    patient: PatientId,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The other patient's identifier.")],
    study: Annotated[
        list[str], typer.Option("--study", metavar="UID", help="Study that is theirs; repeat.")
    ],
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Move studies to another patient, also to undo a merge."""
    from pneumoscore.records.corrections import split_patient

    with open_records(records) as place:
        split_patient(place, patient, study, into, actor=actor)
    typer.echo("split")


def redate(
    study: Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.")],
    at: Annotated[
        str,
        typer.Argument(metavar="TIME", help="Time of its first film: '2026-03-01 14:30', 'day 3'."),
    ],
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Move a study in time; later imports leave it there."""
    from pneumoscore.records.corrections import redate_study

    when, calendar = time_argument(at)
    with open_records(records) as place:
        redate_study(place, study, when, calendar=calendar, actor=actor)
    typer.echo("re-dated")


def event_remove(
    patient: PatientId,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="As it was recorded.")],
    at: Annotated[str, typer.Argument(metavar="TIME", help="As it was recorded.")],
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Take back an event that was recorded wrongly; the audit keeps that it was."""
    from pneumoscore.records.events import remove_event

    when, _ = time_argument(at)
    with open_records(records) as place:
        remove_event(place, patient, kind, when, actor=actor)
    typer.echo("removed")


def events(patient: PatientId, records: RecordsPlace = None) -> None:
    """List a patient's events."""
    from pneumoscore.monitor.pictures.labels import when
    from pneumoscore.present.text import printable
    from pneumoscore.records.reading import read_timeline

    with open_records(records) as place:
        found = read_timeline(place, patient)
    for item in found.events:
        line = f"{when(item.at, found.calendar):18} {item.kind:16} {item.detail}"
        typer.echo(printable(line.rstrip()))


def export(
    patient: PatientId,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="JSON", help="File to write, for you only.")
    ],
    records: RecordsPlace = None,
) -> None:
    """Write all that is recorded of a patient to a file, mode 0600."""
    from pneumoscore.records.export import export_patient

    with open_records(records) as place:
        films = export_patient(place, patient, out)
    typer.echo(f"{out}: {films} films")


def erase(
    patient: PatientId,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Inbox or outbox: films of the patient in it are deleted too; repeat.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Erase a patient from the records and from backups of them; say what is not reached."""
    from pneumoscore.present.text import printable
    from pneumoscore.records.erasure import erase_patient
    from pneumoscore.records.reading import read_timeline

    with open_records(records) as place:
        films = len(read_timeline(place, patient).films)
        if not yes:
            typer.confirm(f"Erase this patient and {films} films for good?", abort=True)
        done = erase_patient(place, patient, folders=tuple(folder or ()), actor=actor)
    typer.echo(
        f"erased: {done.films} films, {done.scores} scores, {done.events} events, "
        f"{done.notes} notes, {done.thumbnails} small pictures"
    )
    for path in done.places:
        typer.echo(printable(f"also from {path}"))
    for path in done.files:
        typer.echo(printable(f"deleted {path}"))
    for words in done.unreached:
        typer.echo(printable(f"not reached: {words}"))


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (merge, split, redate, events, export, erase):
        app.command()(command)
    app.command("event-remove")(event_remove)
