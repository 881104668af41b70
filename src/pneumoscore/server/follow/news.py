"""What is new in the records, whoever wrote it: a page, a command, a listener."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import func, select

from pneumoscore.records.database import Records
from pneumoscore.records.schema import audit
from pneumoscore.server.live import Bell

__all__ = ["RecordsWatch", "latest_entry", "patients_changed"]

_LOG = logging.getLogger(__name__)
_PATIENTS = ("import", "event", "event removed", "note", "merge", "split", "redate", "erase")
"""What the audit calls that which changes a timeline or the ward."""


def latest_entry(records: Records) -> int:
    """Return the number of the audit's newest entry; 0 while it is empty."""
    with records.reading() as connection:
        return int(connection.execute(select(func.coalesce(func.max(audit.c.id), 0))).scalar_one())


def patients_changed(records: Records, since: int) -> bool:
    """Return whether an entry after `since` says that patients changed."""
    with records.reading() as connection:
        found = connection.execute(
            select(audit.c.id).where(audit.c.id > since, audit.c.action.in_(_PATIENTS)).limit(1)
        )
        return found.first() is not None


class RecordsWatch:
    """Rings the bell when patients changed, as long as somebody listens.

    Parameters
    ----------
    records : Records
        Open.
    bell : Bell
        Rung.
    seconds : float, optional
        Between two looks.
    """

    def __init__(self, records: Records, bell: Bell, seconds: float = 2.0) -> None:
        self._records = records
        self._bell = bell
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pneumoscore-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self._thread.join(timeout=30.0)

    def _run(self) -> None:
        seen: int | None = None
        while not self._stopped.wait(self._seconds):
            if not self._bell.listeners:
                seen = None
                continue
            try:
                now = latest_entry(self._records)
                # Pages that began to listen before this look may have missed what came between.
                if seen is None or (now > seen and patients_changed(self._records, seen)):
                    self._bell.ring()
                seen = now
            except Exception as error:
                _LOG.warning("pages hear of news later: %s", error)
