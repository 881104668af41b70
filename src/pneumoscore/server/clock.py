"""The time, as the records hold it."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["now"]


def now() -> datetime:
    """Return the time in UTC, without a zone, as the database keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)
