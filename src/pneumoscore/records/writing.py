"""Writing scored films: one at a time or many, in any order, each exactly once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, text, update

from pneumoscore.records.database import Records
from pneumoscore.records.days import CLOCKS_AHEAD
from pneumoscore.records.identity import number_problem
from pneumoscore.records.known import look_up
from pneumoscore.records.planning import Plan
from pneumoscore.records.rows import actor_name, add_audit, batched, insert_rows, next_id
from pneumoscore.records.schema import films, models, patients, scores, studies, thumbnails
from pneumoscore.records.types import FilmRecord, ImportReport
from pneumoscore.severity.scale import scale_named

__all__ = ["BATCH", "add_films", "import_films"]

_MANY = 2000
_EARLIEST = datetime(1900, 1, 1)
BATCH = 500
"""Films of one transaction."""


def add_films(
    records: Records, new: Sequence[FilmRecord], *, source: str, actor: str | None = None
) -> ImportReport:
    """Write films and their scores in one transaction: all of them, or none.

    A film that is there already, by its UID, is not written again; a score that is there
    already, by film, model and scale, is never overwritten. Another film under a known UID is
    refused, as is a film of another person under a known number. A film that comes with
    another time than before is re-dated, unless a person dated its study. All of it is told in
    the audit.

    Parameters
    ----------
    records : Records
        Open.
    new : sequence of FilmRecord
        At most some hundred, for short locks.
    source : str
        Where they come from, for the audit: a command, a listener.
    actor : str, optional
        Who; by default the user of this process.

    Returns
    -------
    ImportReport
        When it is returned, all it reports is on the disk.

    Raises
    ------
    RecordsError
        If nothing could be written.
    """
    problems = [(record, record_problem(record)) for record in new]
    refused = [
        f"{record.file or record.film_uid}: {problem}" for record, problem in problems if problem
    ]
    good = [record for record, problem in problems if problem is None]
    with records.writing() as connection:
        next_ids = {
            table.name: next_id(connection, table) for table in (patients, studies, films, models)
        }
        plan = Plan(look_up(connection, good), next_ids)
        for record in good:
            plan.take(record)
        report = plan.report(refused)
        _write(connection, plan, report, source, actor or actor_name())
    return report


def import_films(
    records: Records,
    new: Iterable[FilmRecord],
    *,
    source: str,
    actor: str | None = None,
    batch: int = BATCH,
    acknowledge: Callable[[ImportReport], None] | None = None,
) -> ImportReport:
    """Write any number of films, a transaction for each `batch`.

    Parameters
    ----------
    records, source, actor
        As in `add_films`.
    new : iterable of FilmRecord
        Taken as needed.
    batch : int, optional
        Films of one transaction.
    acknowledge : callable, optional
        Called with the report so far after each transaction. What it was told survives
        whatever happens then: an import that was broken off is run again as it is.

    Returns
    -------
    ImportReport
        Of all batches.
    """
    total = ImportReport()
    for group in batched(new, batch):
        total += add_films(records, group, source=source, actor=actor)
        if acknowledge is not None:
            acknowledge(total)
    if total.films >= _MANY and records.engine.dialect.name == "postgresql":
        # Else the server plans as for an empty database until it looks by itself.
        with records.writing() as connection:
            connection.execute(text("ANALYZE"))
    return total


def record_problem(record: FilmRecord) -> str | None:
    """Say what is wrong with a record by itself; None if nothing is."""
    for name in ("patient", "film_uid", "study_uid"):
        if not getattr(record, name).strip() or "\0" in getattr(record, name):
            return f"no {name.replace('_', ' ')}; expected an identifier"
    placeholder = number_problem(record.patient)
    if placeholder is not None:
        return placeholder
    if not record.values:
        return "no scores; expected at least one"
    if record.taken_at.tzinfo is not None:
        return "a time with a zone; expected local time without one, as DICOM gives it"
    if record.calendar and not _EARLIEST <= record.taken_at <= datetime.now() + CLOCKS_AHEAD:
        return (
            f"the film is dated {record.taken_at:%Y-%m-%d}; expected a day from "
            f"{_EARLIEST:%Y} to today"
        )
    for item in record.values:
        scale = scale_named(item.scale)
        numbers = [item.value, item.raw, item.low, item.high, item.right, item.left]
        if not all(math.isfinite(number) for number in numbers if number is not None):
            return f"{item.scale} is no number; expected one"
        if not scale.low <= item.value <= scale.high:
            return (
                f"{item.scale} is {item.value:g}; expected a number from {scale.low:g} "
                f"to {scale.high:g}"
            )
    return None


def _write(
    connection: Connection, plan: Plan, report: ImportReport, source: str, actor: str
) -> None:
    details = {
        "source": source,
        "films": report.films,
        "scores": report.scores,
        "patients": report.patients,
        "known": report.known,
        "redated": report.redated,
        "twins": report.twins,
        "conflicts": list(report.conflicts),
    }
    only = next(iter(plan.touched)) if len(plan.touched) == 1 else None
    number = add_audit(connection, actor, "import", details, only)
    for table in (patients, studies, films, models, scores, thumbnails):
        rows = plan.rows.get(table.name, [])
        if "audit_id" in table.c:
            for row in rows:
                row["audit_id"] = number
        insert_rows(connection, table, rows)
    for film_id, record in plan.hashes:
        connection.execute(
            update(films)
            .where(films.c.id == film_id)
            .values(file_sha256=record.file_sha256, pixel_sha256=record.pixel_sha256)
        )
    for redate in plan.redates:
        taken_at = redate.record.taken_at
        connection.execute(
            update(films).where(films.c.id == redate.film_id).values(taken_at=taken_at)
        )
        change = {
            "by": "import",
            "film": redate.record.film_uid,
            "from": redate.old,
            "to": taken_at,
        }
        add_audit(connection, actor, "redate", change, redate.patient_id)
