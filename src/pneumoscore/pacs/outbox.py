"""A durable outbox: finished objects on their way to each of their targets.

A result is entered whole: its objects' bytes, then one transaction that names them and all that
is owed. Entering it again changes nothing, so that a film that was scored twice because its
worker died is delivered once. One SQLite file, objects as files beside it; their owner's only.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import write_atomically
from pneumoscore.pacs.commitments import COMMITMENT_SCHEMA, Commitments
from pneumoscore.pacs.deliveries import Delivery, OutboxObject, Patience
from pneumoscore.pacs.targets import Parcel
from pneumoscore.pipeline.durable import DurableFile

__all__ = ["Outbox"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
  source TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, picture TEXT NOT NULL,
  made REAL NOT NULL, PRIMARY KEY (source, model));
CREATE TABLE IF NOT EXISTS objects (
  uid TEXT PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, sop_class TEXT NOT NULL,
  made REAL NOT NULL, kept INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL REFERENCES objects (uid), target TEXT NOT NULL,
  state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  error TEXT, made REAL NOT NULL, changed REAL NOT NULL, promise TEXT, UNIQUE (uid, target));
CREATE INDEX IF NOT EXISTS owed ON deliveries (target, state, due);
"""


class Outbox:
    """An outbox in a folder; threads may share it.

    Parameters
    ----------
    folder : Path
        Made if it is not there, for its owner only.
    patience : Patience, optional
        How often and how long deliveries are tried.

    Attributes
    ----------
    commitments : Commitments
        What its targets were asked to commit themselves to.

    Raises
    ------
    PneumoScoreError
        If the folder cannot be used.
    """

    def __init__(self, folder: Path, patience: Patience | None = None) -> None:
        self.folder = folder
        self.patience = patience or Patience()
        self._objects = folder / "objects"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._objects.mkdir(mode=0o700, exist_ok=True)
            self._entries = DurableFile(folder / "outbox.db", _SCHEMA + COMMITMENT_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise PneumoScoreError(
                f"the outbox {folder} cannot be used ({type(error).__name__})",
                "a folder that may be written",
            ) from error
        self.commitments = Commitments(self._entries, self.patience)

    def add(
        self,
        source: str,
        model: str,
        state: str,
        picture: str,
        objects: Sequence[OutboxObject],
        targets: Sequence[tuple[str, Sequence[str]]],
    ) -> bool:
        """Enter a film's result; when this returns, it is on the disk and owed to its targets.

        Parameters
        ----------
        source : str
            SOP Instance UID of the film.
        model : str
            SHA-256 of the model.
        state : str
            ``"scored"`` or ``"refused"``.
        picture : str
            Digest of what the film shows, to know another film under the same UID.
        objects : sequence of OutboxObject
            Finished.
        targets : sequence of (str, sequence of str)
            Names of the targets, and the kinds of objects that each takes.

        Returns
        -------
        bool
            False if it was entered before; nothing is changed then.
        """
        if self.picture_of(source, model) is not None:
            return False
        for item in objects:
            write_atomically(self._path(item.uid), item.data, private=True)
        now = time.time()
        with self._entries.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?)",
                (source, model, state, picture, now),
            )
            for item in objects:
                connection.execute(
                    "INSERT OR IGNORE INTO objects (uid, source, kind, sop_class, made) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (item.uid, source, item.kind, item.sop_class_uid, now),
                )
                for target, kinds in targets:
                    if item.kind in kinds:
                        connection.execute(
                            "INSERT OR IGNORE INTO deliveries "
                            "(uid, target, state, due, made, changed) VALUES (?, ?, ?, ?, ?, ?)",
                            (item.uid, target, Delivery.OWED, now, now, now),
                        )
        return True

    def picture_of(self, source: str, model: str) -> str | None:
        """Return the digest of a film that has a result, or None."""
        row = self._row(
            "SELECT picture FROM results WHERE source = ? AND model = ?", (source, model)
        )
        return None if row is None else str(row[0])

    def is_own(self, uid: str) -> bool:
        """Return whether an object of this UID was made here."""
        return self._row("SELECT 1 FROM objects WHERE uid = ?", (uid,)) is not None

    def owed(self, target: str, most: int = 16) -> list[Parcel]:
        """Return what is due to a target, the oldest first."""
        rows = self._rows(
            "SELECT d.uid, o.kind, o.sop_class FROM deliveries d JOIN objects o USING (uid) "
            "WHERE d.target = ? AND d.state = ? AND d.due <= ? ORDER BY d.id LIMIT ?",
            (target, Delivery.OWED, time.time(), most),
        )
        return [Parcel(uid, kind, sop_class, self._path(uid)) for uid, kind, sop_class in rows]

    def next_due(self, target: str) -> float | None:
        """Return when something will be due to a target, seconds since 1970; None if nothing."""
        row = self._row(
            "SELECT min(due) FROM deliveries WHERE target = ? AND state = ?",
            (target, Delivery.OWED),
        )
        return None if row is None or row[0] is None else float(row[0])

    def sent(self, uid: str, target: str) -> None:
        """Note that a target has an object."""
        self._set(uid, target, Delivery.SENT)

    def failed(self, uid: str, target: str, error: str, *, final: bool = False) -> Delivery:
        """Note that an attempt failed; it is owed again later, or given up.

        Returns
        -------
        Delivery
            `Delivery.OWED` or `Delivery.DEAD`.
        """
        row = self._row(
            "SELECT attempts, made FROM deliveries WHERE uid = ? AND target = ?", (uid, target)
        )
        if row is None:
            return Delivery.DEAD
        attempts, made = int(row[0]), float(row[1])
        now = time.time()
        if final or now - made >= self.patience.end:
            self._set(uid, target, Delivery.DEAD, error, attempts + 1)
            return Delivery.DEAD
        due = now + self.patience.delay(attempts)
        self._set(uid, target, Delivery.OWED, error, attempts + 1, due)
        return Delivery.OWED

    def _set(
        self,
        uid: str,
        target: str,
        state: Delivery,
        error: str | None = None,
        attempts: int | None = None,
        due: float | None = None,
    ) -> None:
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE deliveries SET state = ?, error = ?, attempts = coalesce(?, attempts), "
                "due = coalesce(?, due), changed = ?, promise = NULL "
                "WHERE uid = ? AND target = ?",
                (state, error, attempts, due, time.time(), uid, target),
            )

    def revive(self) -> int:
        """Let all dead deliveries be owed again, from the beginning; how many."""
        now = time.time()
        with self._entries.writing() as connection:
            connection.execute(
                "DELETE FROM losses WHERE (uid, target) IN "
                "(SELECT uid, target FROM deliveries WHERE state = ?)",
                (Delivery.DEAD,),
            )
            return connection.execute(
                "UPDATE deliveries SET state = ?, attempts = 0, due = ?, made = ? WHERE state = ?",
                (Delivery.OWED, now, now, Delivery.DEAD),
            ).rowcount

    def forget(self, before: float, *, committed: bool) -> int:
        """Remove the bytes of objects whose targets all have them since before a time.

        The entries stay, so that nothing is made or sent twice.

        Parameters
        ----------
        before : float
            Seconds since 1970.
        committed : bool
            Whether only what is confirmed counts, at targets that were asked.

        Returns
        -------
        int
            How many.
        """
        open_states = [Delivery.OWED, Delivery.DEAD]
        waiting = " OR (state = 'sent' AND promise IS NOT NULL)" if committed else ""
        rows = self._rows(
            "SELECT uid FROM objects WHERE kept = 1 AND made < ? AND uid NOT IN "
            f"(SELECT uid FROM deliveries WHERE state IN (?, ?) OR changed >= ?{waiting})",
            (before, *open_states, before),
        )
        for (uid,) in rows:
            self._path(uid).unlink(missing_ok=True)
        with self._entries.writing() as connection:
            connection.executemany("UPDATE objects SET kept = 0 WHERE uid = ?", rows)
        return len(rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return for each target how many deliveries are in each state."""
        found: dict[str, dict[str, int]] = {}
        for target, state, count in self._rows(
            "SELECT target, state, count(*) FROM deliveries GROUP BY target, state ORDER BY target"
        ):
            found.setdefault(target, dict.fromkeys(map(str, Delivery), 0))[state] = count
        return found

    def oldest_owed(self) -> float | None:
        """Return since when the oldest owed delivery waits, seconds since 1970."""
        row = self._row("SELECT min(made) FROM deliveries WHERE state = ?", (Delivery.OWED,))
        return None if row is None or row[0] is None else float(row[0])

    def failures(self) -> dict[str, int]:
        """Return how many owed and dead deliveries failed last for each reason."""
        return dict(
            self._rows(
                "SELECT error, count(*) FROM deliveries WHERE error IS NOT NULL AND state IN "
                "(?, ?) GROUP BY error ORDER BY error",
                (Delivery.OWED, Delivery.DEAD),
            )
        )

    def results(self) -> dict[str, int]:
        """Return how many films were scored and refused."""
        return dict(self._rows("SELECT state, count(*) FROM results GROUP BY state"))

    def _path(self, uid: str) -> Path:
        return self._objects / f"{uid}.dcm"

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._entries.reading() as connection:
            return connection.execute(statement, values).fetchall()

    def _row(self, statement: str, values: Sequence[Any] = ()) -> Any:
        rows = self._rows(statement, values)
        return rows[0] if rows else None
