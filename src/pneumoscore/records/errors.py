"""Errors of the records, and the database's own errors in our words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pneumoscore.errors import ConflictError, RecordsError

__all__ = ["ConflictError", "RecordsError", "translated"]


_KEPT = "everything acknowledged before is kept"
# Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
_SQLITE = {
    sqlite3.SQLITE_BUSY: (
        "are locked by another program",
        "wait for it to end and run the command again",
    ),
    sqlite3.SQLITE_READONLY: ("may not be written", "mend the permissions of file and folder"),
    sqlite3.SQLITE_IOERR: (
        f"cannot be read or written, the disk fails or is full; {_KEPT}",
        "free space or mend the disk, then run the command again",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "are damaged",
        "run `pneumoscore patient check`, and `pneumoscore patient restore` with a backup",
    ),
    sqlite3.SQLITE_FULL: (
        f"cannot grow, the disk is full; {_KEPT}",
        "free space, then run the command again",
    ),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check path and permissions"),
    sqlite3.SQLITE_NOTADB: (
        "are no database, or damaged from the first page",
        "name another file, or run `pneumoscore patient restore` with a backup",
    ),
}
# SQLSTATE classes and codes of PostgreSQL (documentation, appendix A).
_POSTGRESQL = {
    "08": ("do not answer", "check that the server runs"),
    "28": ("refuse this user", "check user and password in the URL"),
    "3D": ("do not exist", "make the database first: createdb NAME"),
    "42501": ("may not be changed by this user", "grant it the rights of the owner"),
    "53300": ("have too many connections", "run the command again later"),
    "53100": (
        f"cannot grow, the server's disk is full; {_KEPT}",
        "free space, then run the command again",
    ),
    "55000": ("take no connections", "run the command again later"),
    "57": ("were shut down by the server", "start it, then run the command again"),
    "XX001": ("are damaged", "restore a backup into a new database"),
}


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise `RecordsError` in place of the database's own errors.

    Parameters
    ----------
    place : str
        Where the records are, without a password.

    Raises
    ------
    RecordsError
        For locked, full, damaged, missing or unreachable records. Errors that only a fault
        of ours can cause (a wrong statement, a broken constraint) pass through.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise RecordsError(
            f"the records at {place} are asked by too many at once",
            remedy="run the command again later",
        ) from error
    except DBAPIError as error:
        found = _known(error.orig)
        if found is None:
            raise
        raise RecordsError(f"the records at {place} {found[0]}", remedy=found[1]) from error
    except sqlite3.Error as error:
        found = _known(error)
        if found is None:
            raise
        raise RecordsError(f"the records at {place} {found[0]}", remedy=found[1]) from error


def _known(error: BaseException | None) -> tuple[str, str] | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else _SQLITE.get(code & 0xFF)
    details = error.args[0] if error is not None and error.args else None
    if isinstance(details, dict):  # pg8000: the fields of the server's message
        state = str(details.get("C", ""))
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    # pg8000 raises InterfaceError with a text when there is no connection.
    return _POSTGRESQL["08"] if type(error).__name__ == "InterfaceError" else None
