"""The place of the records: opened, locked for writing, kept whole."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from pneumoscore.records.engine import WRITES, open_engine
from pneumoscore.records.errors import RecordsError, translated
from pneumoscore.records.lock import locked
from pneumoscore.records.migrate import require_known, stored_version, upgrade
from pneumoscore.records.schema import HEAD
from pneumoscore.settings import Settings, home_folder, load_settings

__all__ = ["RECORDS_VARIABLE", "Records", "records_url"]

RECORDS_VARIABLE = "PNEUMOSCORE_RECORDS"
# Any number of our own: writers of the same records wait for each other.
_WRITE_LOCK = 0x706E6575


def records_url(place: str | os.PathLike[str] | None = None) -> URL:
    """Return the URL of the records.

    Parameters
    ----------
    place : str or path, optional
        Path of an SQLite file, or a URL (``postgresql://user@host/name``). By default what
        ``PNEUMOSCORE_RECORDS`` or the settings file names, else ``records.db`` in the folder of
        the user's program data.

    Raises
    ------
    RecordsError
        If the URL is malformed or of another kind of database.
    """
    settings = load_settings().section("", Settings)
    given = os.fspath(place or settings.records or home_folder() / "records.db")
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given).expanduser().absolute()))
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise RecordsError(
            "the URL of the records cannot be read", "postgresql://user@host/name"
        ) from error
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+pg8000")
    if url.get_backend_name() not in {"sqlite", "postgresql"} or not url.database:
        raise RecordsError(
            f"a URL of {url.get_backend_name()} that names {url.database or 'no database'}",
            "the path of a file, or postgresql://user@host/name",
        )
    return url


class Records:
    """Open records.

    Use `Records.open`. One object may be shared by threads; each block of `reading` or
    `writing` has its own connection.

    Parameters
    ----------
    engine : Engine
        With the settings that `Records.open` gives it.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._opened: tuple[int, int] | None = None

    @classmethod
    def open(cls, place: str | os.PathLike[str] | None = None, *, create: bool = True) -> Records:
        """Open records; make them if they are not there, migrate them if they are older.

        Before an SQLite file is migrated, a copy is kept beside it, named after its version.

        Parameters
        ----------
        place : str or path, optional
            As in `records_url`.
        create : bool, optional
            Whether to make records that are not there.

        Raises
        ------
        RecordsError
            If they cannot be opened, are damaged, or are of a newer version.
        """
        url = records_url(place)
        file = _file_of(url)
        if file is not None:
            _prepare_file(file, create)
        records = cls(open_engine(url))
        try:
            with translated(records.place):
                records._bring_up_to_date(file)
        except BaseException:
            records.close()
            raise
        return records

    @property
    def place(self) -> str:
        """Where the records are, without a password."""
        file = self.file
        return str(file) if file else self.engine.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file; None on PostgreSQL."""
        return _file_of(self.engine.url)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the records."""
        if self.file is not None:
            self._follow(self.file)
        with (
            translated(self.place),
            self.engine.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that no other writer shares.

        Its work is on the disk, whole, when the block ends, and undone when the block raises.
        """
        with (
            self._turn(),
            translated(self.place),
            self.engine.connect() as connection,
        ):
            writer = connection.execution_options(**{WRITES: True})
            with writer.begin():
                if writer.dialect.name == "postgresql":
                    # Else the state seen would be that of before the wait for the lock.
                    writer.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
                    writer.execute(text(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})"))
                yield writer

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _bring_up_to_date(self, file: Path | None) -> None:
        with self.reading() as connection:
            version = stored_version(connection)
        require_known(version)
        if version == HEAD:
            return
        if file is not None and version is not None:
            _keep_copy(file, file.with_name(f"{file.name}.version-{version}"))
        with self._without_foreign_keys(), self.writing() as connection:
            # Another process may have been first.
            if stored_version(connection) != HEAD:
                upgrade(connection)

    @contextlib.contextmanager
    def _without_foreign_keys(self) -> Iterator[None]:
        """Open connections of SQLite in which tables can be made anew (its ALTER TABLE page)."""

        def switch_off(connection: Any, _: object) -> None:
            connection.execute("PRAGMA foreign_keys = OFF")

        if self.file is None:
            yield
            return
        self.engine.dispose()
        event.listen(self.engine, "connect", switch_off)
        try:
            yield
        finally:
            event.remove(self.engine, "connect", switch_off)
            self.engine.dispose()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Keep `restore` away while a transaction writes, and notice that it was there."""
        file = self.file
        if file is None:
            yield
            return
        with locked(file, shared=True):
            self._follow(file)
            yield

    def _follow(self, file: Path) -> None:
        """Leave the file that was opened if another has taken its place."""
        try:
            seen = file.stat()
        except OSError:
            return
        place = (seen.st_dev, seen.st_ino)
        if self._opened not in (None, place):
            self.engine.dispose()
        self._opened = place


def _file_of(url: URL) -> Path | None:
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _prepare_file(file: Path, create: bool) -> None:
    if file.is_dir():
        raise RecordsError(f"{file} is a folder", "the file of the records")
    if file.exists():
        return
    if not create:
        raise RecordsError(
            f"there are no records at {file}",
            "a file made by `pneumoscore patient import`",
            f"import films first, or name the records by --records or {RECORDS_VARIABLE}",
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Patients' records are for their owner only.
        file.touch(mode=0o600)
    except OSError as error:
        raise RecordsError(
            f"records cannot be made at {file} ({error.strerror})", "a folder that may be written"
        ) from error


def _keep_copy(source: Path, target: Path) -> None:
    """Copy an SQLite file through SQLite, so that what lies in its log comes along."""
    target.touch(mode=0o600)
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
