"""Options of the patient commands, worded once, and how the records are opened."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pneumoscore.records.database import Records

__all__ = [
    "Actor",
    "ErrorModelFile",
    "ModelNumber",
    "PatientId",
    "RecordsPlace",
    "RulesFile",
    "open_records",
    "records_place",
    "time_argument",
]

RecordsPlace = Annotated[
    str | None,
    typer.Option(
        "--records",
        metavar="FILE|URL",
        help="The records: an SQLite file, or postgresql://user@host/name. Default: what "
        "PNEUMOSCORE_RECORDS names, else a file in the folder of your program data.",
    ),
]
Actor = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="Who does this, for the audit. Default: you."),
]
PatientId = Annotated[str, typer.Argument(metavar="ID", help="Identifier as in the films.")]
RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--rules", metavar="FILE", help="JSON file with your rule set (docs/monitoring.md)."
    ),
]
ErrorModelFile = Annotated[
    Path | None,
    typer.Option(
        "--error-model",
        metavar="FILE",
        help="Test-retest error of the model. Default: yours, else the built-in one.",
    ),
]
ModelNumber = Annotated[
    int | None,
    typer.Option(
        "--model-number",
        metavar="N",
        help="Whose scores, where several models scored (see 'patient models'). Default: the "
        "newest.",
    ),
]


def open_records(place: str | None, *, create: bool = False) -> Records:
    """Open the records that an option names.

    Raises
    ------
    RecordsError
        If they cannot be opened.
    """
    from pneumoscore.records.database import Records

    return Records.open(records_place(place), create=create)


def records_place(place: str | None) -> str | None:
    """Return where the records are: by the option, else by the settings."""
    from pneumoscore.cli.options import settings_with

    return settings_with(records=place).records


def time_argument(text: str) -> tuple[datetime, bool]:
    """Read a time from the command line; and whether it is a date.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    from pneumoscore.monitor.pictures.labels import parse_time

    try:
        return parse_time(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; expected 2026-03-01, '2026-03-01 14:30' or 'day 3'"
        ) from None
