"""One SQLite file that several processes write and that a power failure leaves whole."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterator
from pathlib import Path

__all__ = ["DurableFile"]

_PATIENCE_SECONDS = 30.0


class DurableFile:
    """A database in one file of its owner's; a connection for each use, so that threads may share.

    One more stays open: SQLite removes its log with the last connection, and needs room on the
    disk to make another before it can so much as be read.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    schema : str
        Statements that are carried out when it is opened, separated by semicolons.

    Raises
    ------
    OSError, sqlite3.Error
        If it cannot be made or used.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        path.touch(mode=0o600)
        with self.writing() as connection:
            for statement in schema.split(";"):
                connection.execute(statement)
        lasting = self._connected()
        lasting.execute("SELECT count(*) FROM sqlite_master").fetchall()
        weakref.finalize(self, lasting.close)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a connection to read by."""
        with contextlib.closing(self._connected()) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction: committed, and on the disk, when the block ends well."""
        with contextlib.closing(self._connected()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=_PATIENCE_SECONDS,
            isolation_level=None,
            # Each is used by one thread alone, but the one that stays open ends in any.
            check_same_thread=False,
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: what was acknowledged outlives a power failure (SQLite, "PRAGMA synchronous").
        connection.execute("PRAGMA synchronous = FULL")
        return connection
