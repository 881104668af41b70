"""The rows of an erased patient: found, deleted, and overwritten on the disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import batched
from pneumoscore.records.schema import (
    audit,
    erasing,
    events,
    films,
    notes,
    patients,
    scores,
    studies,
    thumbnails,
)

__all__ = ["erase_rows", "forget_pages", "names_of", "scalars", "uids_of"]


def scalars(connection: Connection, statement: Any) -> list[Any]:
    """Return the first column of what a statement selects."""
    return list(connection.execute(statement).scalars())


def names_of(connection: Connection, ids: Sequence[int]) -> list[tuple[str, str]]:
    """Return number and issuer of patients."""
    rows = connection.execute(select(patients.c.key, patients.c.issuer).where(_in(patients, ids)))
    return [(row.key, row.issuer) for row in rows]


def _in(table: Any, ids: Sequence[int]) -> Any:
    column = table.c.id if table is patients else table.c.patient_id
    return column.in_(list(ids))


def uids_of(connection: Connection, ids: Sequence[int]) -> list[str]:
    """Return the UIDs of the films and studies of patients."""
    of_films = scalars(connection, select(films.c.uid).where(_in(films, ids)))
    return of_films + scalars(connection, select(studies.c.uid).where(_in(studies, ids)))


def erase_rows(connection: Connection, ids: Sequence[int], words: Sequence[str]) -> dict[str, int]:
    """Delete all rows of patients, and take words out of the audit; return counts by table.

    Scores, notes and audit entries, which nothing else can change, pass by a path of their
    own: a row in the table ``erasing`` that lives within the transaction only.
    """
    connection.execute(insert(erasing), {"id": 1})
    film_ids = scalars(connection, select(films.c.id).where(_in(films, ids)))
    counts = {"films": len(film_ids), "scores": 0, "thumbnails": 0}
    for group in batched(film_ids, 500):
        connection.execute(
            update(films).where(films.c.duplicate_of.in_(group)).values(duplicate_of=None)
        )
        for table in (scores, thumbnails):
            gone = connection.execute(delete(table).where(table.c.film_id.in_(group)))
            counts[table.name] += gone.rowcount
        connection.execute(delete(notes).where(notes.c.film_id.in_(group)))
    for table in (notes, events):
        counts[table.name] = connection.execute(delete(table).where(_in(table, ids))).rowcount
    connection.execute(delete(films).where(_in(films, ids)))
    connection.execute(delete(studies).where(_in(studies, ids)))
    connection.execute(update(patients).where(_in(patients, ids)).values(merged_into=None))
    connection.execute(delete(patients).where(_in(patients, ids)))
    _blank_audit(connection, ids, words)
    connection.execute(delete(erasing))
    return counts


def _blank_audit(connection: Connection, ids: Sequence[int], words: Sequence[str]) -> None:
    """Take names out of what the audit says: who acted and when stays."""
    wanted = set(ids)
    # As JSON writes them: inside the entry.
    told = [json.dumps(word, ensure_ascii=False)[1:-1] for word in words if word]
    for row in connection.execute(select(audit.c.id, audit.c.patient_id, audit.c.details)).all():
        if row.patient_id in wanted or any(word in row.details for word in told):
            blank = update(audit).where(audit.c.id == row.id)
            connection.execute(blank.values(details='{"erased": true}', patient_id=None))


def forget_pages(records: Records) -> None:
    """Overwrite what SQLite keeps of deleted rows in free pages and in its log."""
    if records.file is None:
        return
    with records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
