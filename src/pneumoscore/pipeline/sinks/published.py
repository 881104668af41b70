"""The published form of a result (``docs/score.schema.json``)."""

from __future__ import annotations

from datetime import date
from typing import Any

from pneumoscore.marks import program_mark
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["FILM_FIELDS", "SCHEMA", "published", "said_of_film"]

SCHEMA = 2
"""Version of the published form; it changes when a reader of the old one would fail."""

FILM_FIELDS = (
    "patient_id",
    "patient_id_issuer",
    "accession_number",
    "study_instance_uid",
    "series_instance_uid",
    "sop_instance_uid",
    "acquired_at",
    "view",
)
"""What outputs say of a film's header, in order."""
_NOT_IDENTIFYING = ("view",)


def said_of_film(result: FileResult, *, identifiers: bool) -> dict[str, str | None] | None:
    """Return what the film's header says, by `FILM_FIELDS`; None where it could not be read.

    Parameters
    ----------
    result : FileResult
        With its metadata.
    identifiers : bool
        False leaves out all that tells whose film it is, and when it was made.
    """
    if result.metadata is None:
        return None
    names = FILM_FIELDS if identifiers else _NOT_IDENTIFYING
    said: dict[str, str | None] = {}
    for name in names:
        value = getattr(result.metadata, name)
        said[name] = value.isoformat() if isinstance(value, date) else value
    return said


def published(result: FileResult, run: Run, *, identifiers: bool = True) -> dict[str, Any]:
    """Return the published form of one result, for JSON.

    Parameters
    ----------
    result : FileResult
        Scored or failed.
    run : Run
        Its run: the options that change a score.
    identifiers : bool, optional
        Whether patient, study, film and date are named.
    """
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "program": program_mark("scores"),
        "file": result.file,
    }
    if result.score is not None:
        body = result.score.as_dict()
    else:
        body = {
            "reason": str(result.reason or "internal"),
            "error": result.error,
            "flags": list(result.flags),
            "notice": RESEARCH_NOTICE,
        }
    return (
        head
        | body
        | {
            "film": said_of_film(result, identifiers=identifiers),
            "options": run.options.published(),
            "overlay": result.outputs.get("overlay"),
        }
    )
