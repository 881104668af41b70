"""Triggers that make a table append-only."""

from __future__ import annotations

from alembic import op

__all__ = ["protect", "unprotect"]


def protect(table: str, *, but_for_erasure: bool = False) -> None:
    """Let the database refuse to change or delete rows of `table`, whoever asks.

    Parameters
    ----------
    table : str
        A table of the records; never text from outside.
    but_for_erasure : bool, optional
        Whether a transaction may that has put a row into the table ``erasing``.
    """
    if op.get_bind().dialect.name == "sqlite":
        when = "WHEN NOT EXISTS (SELECT 1 FROM erasing) " if but_for_erasure else ""
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} {when}"
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    refuse = f"RAISE EXCEPTION '{table} is append-only';"
    if but_for_erasure:
        refuse = f"IF NOT EXISTS (SELECT 1 FROM erasing) THEN {refuse} END IF; RETURN NULL;"
    op.execute(
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {refuse} END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def unprotect(table: str) -> None:
    """Take away what `protect` made."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER {table}_no_{verb}")
        return
    op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
