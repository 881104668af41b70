"""Backup and restore: one file, the same form for both databases.

A backup is an SQLite file with the tables of the records. A backup of a file is made page by
page through SQLite; one of a PostgreSQL database row by row from one state. Either can be
restored into either.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, func, select

from pneumoscore.errors import OutputError
from pneumoscore.files import check_output
from pneumoscore.records.database import Records, records_url
from pneumoscore.records.errors import RecordsError, translated
from pneumoscore.records.lock import locked
from pneumoscore.records.rows import actor_name, add_audit, insert_rows
from pneumoscore.records.schema import TABLES, audit, patients
from pneumoscore.records.site_schema import SITE_TABLES

__all__ = ["backup", "check_file", "check_records", "restore"]

_GROUP = 1000
_SQLITE = b"SQLite format 3\0"
# Read and write version in the header of an SQLite file (https://sqlite.org/fileformat.html):
# 1 without a log, as a backup is left; 2 with one, as records are from their first opening on.
_WITHOUT_LOG = b"\1\1"


def check_file(file: Path) -> None:
    """Raise unless an SQLite file is whole.

    Raises
    ------
    RecordsError
        If it is missing or damaged (SQLite's integrity and foreign key checks).
    """
    if not file.is_file():
        raise RecordsError(f"there is no file at {file}", "a backup or records")
    with translated(str(file)), contextlib.closing(sqlite3.connect(file)) as connection:
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check(10)")]
        orphans = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    if problems != ["ok"] or orphans:
        found = problems[0] if problems != ["ok"] else f"{orphans} rows without their parents"
        raise RecordsError(
            f"{file} is damaged ({' '.join(found.split())[:120]})",
            "a whole database",
            "run `pneumoscore patient restore` with a backup",
        )


def check_records(records: Records) -> dict[str, int]:
    """Check the records and return the number of rows by table.

    Raises
    ------
    RecordsError
        If they are damaged.
    """
    if records.file is not None:
        check_file(records.file)
    with records.reading() as connection:
        return _counts(connection)


def _counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for table in (*TABLES, *SITE_TABLES)
    }


def backup(
    records: Records, target: Path, *, overwrite: bool = False, actor: str | None = None
) -> dict[str, int]:
    """Write one state of the records to one file, checked before it gets its name.

    Others may write meanwhile.

    Parameters
    ----------
    records : Records
        Open.
    target : Path
        The file; an earlier backup is replaced as a whole, and a link is followed.
    overwrite : bool, optional
        Whether a file that is no backup may be replaced.
    actor : str, optional
        Who, for the audit, which keeps the backup's place.

    Returns
    -------
    dict of str to int
        Rows by table.

    Raises
    ------
    RecordsError
        If the records are damaged or the file cannot be written.
    OutputError
        If what is there must not be replaced.
    """
    _require_regular(target)
    target = Path(os.path.realpath(target))
    if records.file is not None and _same_file(records.file, target):
        raise RecordsError("the backup would be the records themselves", "another file")
    _check_target(target, overwrite)
    with _appearing(target) as temporary:
        if records.file is not None:
            _copy_pages(records.file, temporary)
        else:
            with Records.open(temporary) as copy:
                _copy_rows(records, copy)
        check_file(temporary)
        with Records.open(temporary) as copy, copy.reading() as connection:
            counts = _counts(connection)
        _fold_log(temporary)
    with records.writing() as connection:
        # An erasure looks here for the backups that hold a patient.
        add_audit(connection, actor or actor_name(), "backup", {"file": str(target)})
    return counts


def _check_target(target: Path, overwrite: bool) -> None:
    """Raise unless a backup may take the place of what is there (`check_output`)."""
    try:
        check_output(target, overwrite=overwrite or _is_backup(target))
        log = target.with_name(f"{target.name}-wal")
        # What is in the log of records would be read as changes of the backup.
        in_use = target.exists() and log.exists()
    except OSError as error:
        raise RecordsError(
            f"{target} cannot be looked at ({error.strerror})", "a file that may be written"
        ) from error
    if in_use:
        raise OutputError(f"{target} are records in use: {log.name} is beside", "another file")


def _require_regular(target: Path) -> None:
    if target.exists() and not target.is_file():
        raise OutputError(f"{target} is no regular file", "the name of a file to write")


def _is_backup(file: Path) -> bool:
    """Whether a file is an earlier backup: a database of ours that nobody opened as records."""
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        head = stream.read(20)
    if not (head.startswith(_SQLITE) and head[18:] == _WITHOUT_LOG):
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as opened:
            names = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        return False
    return {"alembic_version", audit.name, patients.name} <= names


def restore(
    source: Path,
    place: str | os.PathLike[str] | None = None,
    *,
    replace: bool = False,
    actor: str | None = None,
) -> dict[str, int]:
    """Put a backup in the place of records.

    Parameters
    ----------
    source : Path
        A backup, checked before anything is changed; an older one is migrated.
    place : str or path, optional
        Where to, as in `records_url`. A PostgreSQL database must hold no records.
    replace : bool, optional
        Whether an SQLite file with records may be replaced; it is kept beside, with the ending
        ``.replaced``.
    actor : str, optional
        Who, for the audit.

    Returns
    -------
    dict of str to int
        Rows by table.

    Raises
    ------
    RecordsError
        If the backup is damaged, or the place is taken.
    """
    check_file(source)
    url = records_url(place)
    if url.get_backend_name() == "sqlite":
        target = Path(str(url.database))
        if _same_file(source, target):
            raise RecordsError("the backup is the records themselves", "another file")
        _restore_file(source, target, replace)
    else:
        with (
            tempfile.TemporaryDirectory() as folder,
            Records.open(url.render_as_string(hide_password=False)) as records,
        ):
            copy = Path(folder) / "backup.db"
            _copy_pages(source, copy)
            with Records.open(copy) as old:
                _copy_rows(old, records)
    opened = Records.open(url.render_as_string(hide_password=False))
    with opened as records, records.writing() as connection:
        counts = _counts(connection)
        add_audit(connection, actor or actor_name(), "restore", {"rows": counts})
    return counts


def _restore_file(source: Path, target: Path, replace: bool) -> None:
    _require_regular(target)
    if target.exists() and target.stat().st_size and not replace:
        raise RecordsError(
            f"there are records at {target}",
            "a new file",
            "pass --replace to put the backup in their place; they are kept beside",
        )
    with _alone(target), _appearing(target) as temporary:
        _copy_pages(source, temporary)
        Records.open(temporary).close()  # migrates an older backup, refuses a newer one
        _fold_log(temporary)
        # Looked at again: others may have written before the lock was taken.
        if target.exists() and target.stat().st_size and not replace:
            raise RecordsError(f"there are records at {target}", "a new file", "pass --replace")
        for ending in ("-wal", "-shm", ""):
            old = target.with_name(target.name + ending)
            if old.exists():
                old.replace(target.with_name(f"{target.name}.replaced{ending}"))


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock that every writer takes, until the file has its new name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target, shared=False):
        yield


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Yield the name of a temporary file that takes the place of `target` at the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=".part", dir=target.parent
        )
    except OSError as error:
        raise RecordsError(
            f"{target} cannot be written ({error.strerror})", "a folder that may be written"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        for ending in ("", "-wal", "-shm", ".lock"):
            temporary.with_name(temporary.name + ending).unlink(missing_ok=True)


def _copy_pages(source: Path, target: Path) -> None:
    with (
        translated(str(source)),
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def _fold_log(file: Path) -> None:
    """Put everything into the one file: a backup must be whole without its log."""
    with translated(str(file)), contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _copy_rows(source: Records, target: Records) -> None:
    with source.reading() as old, target.writing() as new:
        if new.execute(select(func.count()).select_from(audit)).scalar_one():
            raise RecordsError(
                f"there are records at {target.place}", "an empty database", "make a new one"
            )
        for table in (*TABLES, *SITE_TABLES):
            statement = select(table).order_by(*table.primary_key.columns)
            if table is patients:
                # A merged patient's row may refer to one with a higher number.
                merged = patients.c.merged_into.is_not(None)
                statement = select(table).order_by(merged, patients.c.id)
            rows = old.execute(statement)
            for group in rows.mappings().partitions(_GROUP):
                insert_rows(new, table, [dict(row) for row in group])


def _same_file(first: Path, second: Path) -> bool:
    return first.exists() and second.exists() and first.samefile(second)
