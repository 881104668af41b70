"""Versions of the records: made, migrated, or refused."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pneumoscore.records.errors import RecordsError
from pneumoscore.records.schema import HEAD

__all__ = ["require_known", "stored_version", "upgrade"]

_SCRIPTS = Path(__file__).parent / "migrations"


def stored_version(connection: Connection) -> str | None:
    """Return the version of the records, None for an empty database.

    Raises
    ------
    RecordsError
        If the database holds other tables and is none of ours.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise RecordsError(
                f"the database holds other tables ({', '.join(sorted(tables)[:3])}, ...)",
                "an empty database, or records of PneumoScore",
                "name another database",
            )
        return None
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if version is None else str(version)


def require_known(version: str | None) -> None:
    """Raise if `version` is of a later program.

    Raises
    ------
    RecordsError
        Naming both versions.
    """
    if version is not None and not (version.isdigit() and 1 <= int(version) <= int(HEAD)):
        raise RecordsError(
            f"the records have version {version}",
            f"version {HEAD} or older",
            "update PneumoScore",
        )


def upgrade(connection: Connection, target: str = HEAD) -> None:
    """Bring the records to `target` within the connection's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction that holds the write lock.
    target : str, optional
        A version; by default the newest.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    if connection.dialect.name == "sqlite":
        orphans = connection.execute(text("PRAGMA foreign_key_check")).first()
        if orphans is not None:
            raise RecordsError(
                "the records have rows without their parents and cannot be migrated",
                "whole records",
                "run `pneumoscore patient restore` with a backup",
            )
