"""The place of the records: opened, locked for writing, kept whole."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from pneumoscore.records.errors import RecordsError, translated
from pneumoscore.records.lock import locked
from pneumoscore.records.migrate import require_known, stored_version, upgrade
from pneumoscore.records.schema import HEAD
from pneumoscore.settings import Settings, home_folder, load_settings

__all__ = ["RECORDS_VARIABLE", "Records", "open_engine", "records_url"]

RECORDS_VARIABLE = "PNEUMOSCORE_RECORDS"
_PATIENCE_SECONDS = 60.0
# Any number of our own: writers of the same records wait for each other.
_WRITE_LOCK = 0x706E6575
_WRITES = "pneumoscore_writes"


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
            writer = connection.execution_options(**{_WRITES: True})
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


def open_engine(url: URL) -> Engine:
    """Return an engine with the settings that `Records` needs; it connects when used."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": _PATIENCE_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(url, pool_pre_ping=True, isolation_level="REPEATABLE READ")
    except ModuleNotFoundError as error:
        raise RecordsError(
            f"{error.name} is not installed",
            "a PostgreSQL driver",
            "run: pip install 'pneumoscore[monitor]'",
        ) from error
    event.listen(engine, "do_connect", _connect_postgresql)
    return engine


def _connect_postgresql(
    dialect: Any, record: object, arguments: Any, options: dict[str, Any]
) -> Any:
    """Connect with a socket of our own, which does not wait to fill packets (TCP_NODELAY).

    The driver sends a query in several small writes; each would wait for the acknowledgement
    of the one before, 40 ms at a time.
    """
    del record
    if dialect.driver != "pg8000" or not {"unix_sock", "sock"}.isdisjoint(options):
        return None
    import pg8000

    address = (options.get("host") or "localhost", int(options.get("port") or 5432))
    try:
        connection = socket.create_connection(address, options.get("timeout"))
    except OSError as error:
        raise pg8000.InterfaceError(f"no server at {address[0]}:{address[1]}") from error
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        # The server's compiler takes longer than our queries.
        settings = {"startup_params": {"jit": "off"}, **options}
        return pg8000.Connection(*arguments, **settings, sock=connection)
    except BaseException:
        connection.close()
        raise


def _set_up_sqlite(connection: Any, _: object) -> None:
    # Transactions are begun by us (`_begin_sqlite`), not by the driver.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: what was acknowledged outlives a power failure (SQLite, "PRAGMA synchronous").
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
