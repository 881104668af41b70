"""Connections to the records' database, SQLite or PostgreSQL."""

from __future__ import annotations

import socket
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DisconnectionError

from pneumoscore.records.errors import RecordsError

__all__ = ["WRITES", "open_engine"]

WRITES = "pneumoscore_writes"
"""Execution option of a connection that writes."""

_PATIENCE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_QUOTING = ("D", "W")
"""Fields of PostgreSQL's messages, detail and context, that quote rows."""


def open_engine(url: URL) -> Engine:
    """Return an engine with the settings that `Records` needs; it connects when used.

    Its errors hide the values of rows, which are patients': they come into logs.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, hide_parameters=True, connect_args={"timeout": _PATIENCE_SECONDS}
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(url, hide_parameters=True, isolation_level="REPEATABLE READ")
    except ModuleNotFoundError as error:
        raise RecordsError(
            f"{error.name} is not installed",
            "a PostgreSQL driver",
            "run: pip install 'pneumoscore[monitor]'",
        ) from error
    event.listen(engine, "do_connect", _connect_postgresql)
    event.listen(engine, "checkout", _refuse_lost)
    event.listen(engine, "handle_error", _hide_rows)
    return engine


def _refuse_lost(connection: Any, _record: object, _proxy: object) -> None:
    """Ask a connection whether it is alive; else the pool makes another.

    SQLAlchemy's own question (``pool_pre_ping``) knows neither the farewell of a server that is
    stopped (SQLSTATE class 57P) nor a reset that the driver lets through as it is.
    """
    was = connection.autocommit
    try:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.autocommit = was
    except Exception as error:
        raise DisconnectionError from error


def _hide_rows(context: ExceptionContext) -> None:
    """Take what quotes rows ("Failing row contains ...") out of a server's error."""
    original, raised = context.original_exception, context.sqlalchemy_exception
    told = original.args[0] if original.args else None
    if not isinstance(told, dict):
        return
    whole = str(original)
    for field in _QUOTING:
        told.pop(field, None)
    if raised is not None:
        raised.args = tuple(str(part).replace(whole, str(original)) for part in raised.args)


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
    patience = options.get("timeout")
    try:
        connection = socket.create_connection(address, patience or _CONNECT_SECONDS)
    except OSError as error:
        raise pg8000.InterfaceError(f"no server at {address[0]}:{address[1]}") from error
    connection.settimeout(patience)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        # The server's compiler takes longer than our queries.
        settings = {"startup_params": {"jit": "off"}, **options}
        return pg8000.Connection(*arguments, **settings, sock=connection)
    except OSError as error:
        # The driver lets through what breaks while it greets the server.
        connection.close()
        raise pg8000.InterfaceError(f"no server at {address[0]}:{address[1]}") from error
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
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
