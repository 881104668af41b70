"""The rows of an erased patient: found, deleted, and overwritten on the disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.identity import patient_name
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

__all__ = [
    "erase_rows",
    "forget_pages",
    "names_of",
    "naming",
    "scalars",
    "uids_of",
    "words_of",
]

_BLANK = "(erased)"
_TELLING = 4
_UID = re.compile(r"\d+(\.\d+)+")
# What the program and its site call themselves: never a patient, whatever a number looks like.
_OWN_WORDS = {"account", "by", "readers", "role", "state", "target", "unfinished", "what"}


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


def words_of(names: Iterable[tuple[str, str]], uids: Iterable[str]) -> list[str]:
    """Return all that names patients in a text: numbers, numbers with their issuers, UIDs.

    An issuer alone names nobody: other patients have it too.
    """
    numbers = [word for key, issuer in names for word in (key, patient_name(key, issuer))]
    return [word for word in dict.fromkeys([*numbers, *uids]) if word]


def naming(words: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of a text that holds one of the words whole.

    A number of four characters or more is also found within a file's name, between signs and
    characters of another kind: there it is that patient's more likely than chance.

    Examples
    --------
    >>> pattern = naming(["3", "1.2.9", "12345"])
    >>> [bool(pattern.search(text)) for text in ("films/3/a.dcm: refused", "UID 1.2.9.")]
    [True, True]
    >>> [bool(pattern.search(text)) for text in ("a3f0", "3.512 points", "1.2.9.1", "3^^^CITY")]
    [False, False, False, False]
    >>> [bool(pattern.search(text)) for text in ("MRN12345-2.dcm", "12345.2026.dcm", "a/3-2.dcm")]
    [True, True, False]
    >>> [bool(pattern.search(text)) for text in ("112345", "12345^^^CITY")]
    [False, False]
    """
    return re.compile("|".join(map(_whole, words)) or r"(?!)")


def _whole(word: str) -> str:
    if len(word) >= _TELLING and any(map(str.isdigit, word)) and not _UID.fullmatch(word):
        before, after = (
            r"\d" if end.isdigit() else r"[^\W\d_]" if end.isalpha() else r"(?!)"
            for end in (word[0], word[-1])
        )
        return rf"(?<!\^)(?<!{before}){re.escape(word)}(?!{after})(?!\^)"
    bounds = r"(?<![^\W_])(?<![\^-])(?<!\d\.)", r"(?![^\W_])(?![\^-])(?!\.\d)"
    return bounds[0] + re.escape(word) + bounds[1]


def erase_rows(connection: Connection, ids: Sequence[int], words: Sequence[str]) -> dict[str, int]:
    """Delete all rows of patients, and take words out of the audit; return counts by table.

    `words` are those of `words_of`.

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
    theirs = update(audit).where(audit.c.patient_id.in_(list(ids)))
    connection.execute(theirs.values(details='{"erased": true}', patient_id=None))
    # As JSON writes them: most entries need not be parsed.
    told = [json.dumps(word, ensure_ascii=False)[1:-1] for word in words]
    pattern = naming(words)
    # By the entries of backups an erasure finds those that hold a patient.
    others = select(audit.c.id, audit.c.details).where(audit.c.action != "backup")
    for row in connection.execute(others).all():
        if not any(word in row.details for word in told):
            continue
        before = json.loads(row.details)
        after = {
            key: value if key in _OWN_WORDS else _blanked(value, pattern)
            for key, value in before.items()
        }
        if after != before:
            details = json.dumps(after, ensure_ascii=False)
            connection.execute(update(audit).where(audit.c.id == row.id).values(details=details))


def _blanked(value: Any, pattern: re.Pattern[str]) -> Any:
    """Return a value of an entry without the texts that name a patient."""
    if isinstance(value, str):
        return _BLANK if pattern.search(value) else value
    if isinstance(value, list):
        return [_blanked(item, pattern) for item in value]
    if isinstance(value, dict):
        return {key: _blanked(item, pattern) for key, item in value.items()}
    return value


def forget_pages(records: Records) -> None:
    """Overwrite what SQLite keeps of deleted rows in free pages and in its log."""
    if records.file is None:
        return
    with records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
