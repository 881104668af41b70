"""Rows in and out, quickly, on both databases."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from pneumoscore.records.schema import audit

__all__ = ["actor_name", "add_audit", "batched", "insert_rows", "next_id"]

Row = Mapping[str, Any]


def batched(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Yield `items` in tuples of at most `size`."""
    taken = iter(items)
    while group := tuple(islice(taken, size)):
        yield group


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that have a value for every column.

    PostgreSQL gets them as one JSON parameter: its driver would send them one by one.
    """
    if not rows:
        return
    if connection.dialect.name != "postgresql" or table.name == "thumbnails":
        connection.execute(insert(table), [dict(row) for row in rows])
        return
    content = json.dumps(rows, default=_json_value)
    # The table's name is ours; json_populate_recordset takes columns by name.
    connection.execute(
        text(
            f"INSERT INTO {table.name} "
            f"SELECT * FROM json_populate_recordset(NULL::{table.name}, CAST(:rows AS json))"
        ),
        {"rows": content},
    )


def _json_value(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in a row")


def next_id(connection: Connection, table: Table) -> int:
    """Return the next free identifier; only for who holds the write lock."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1


def actor_name() -> str:
    """Return the name of the person who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def add_audit(
    connection: Connection,
    actor: str,
    action: str,
    details: Mapping[str, Any],
    patient_id: int | None = None,
) -> int:
    """Write who does what, in the transaction that does it, and return the entry's id."""
    number = next_id(connection, audit)
    connection.execute(
        insert(audit),
        {
            "id": number,
            "at": datetime.now(UTC).replace(tzinfo=None),
            "actor": actor,
            "action": action,
            "patient_id": patient_id,
            "details": json.dumps(details, default=_json_value, ensure_ascii=False),
        },
    )
    return number
