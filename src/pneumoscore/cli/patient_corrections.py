"""``pneumoscore patient merge``, ``split``, ``redate``: corrections by a person."""

from __future__ import annotations

from typing import Annotated

import typer

from pneumoscore.cli.patient_options import Actor, PatientId, RecordsPlace, open_records
from pneumoscore.cli.patient_views import time_argument

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


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (merge, split, redate):
        app.command()(command)
