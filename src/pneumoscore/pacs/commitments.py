"""What archives were asked to commit themselves to, and what they reported (PS3.4 J)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pneumoscore.pacs.deliveries import Delivery, Patience
from pneumoscore.pipeline.durable import DurableFile

__all__ = ["COMMITMENT_SCHEMA", "Commitments", "Settled"]

COMMITMENT_SCHEMA = """
CREATE TABLE IF NOT EXISTS earlier_promises (
  promise TEXT NOT NULL, uid TEXT NOT NULL, target TEXT NOT NULL,
  PRIMARY KEY (promise, uid, target)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_before ON earlier_promises (uid, target);
CREATE TABLE IF NOT EXISTS losses (
  uid TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (uid, target)) WITHOUT ROWID;
"""
"""Beside the deliveries, whose `promise` is the last request's transaction: those of the requests
before it, and what was reported lost and is not kept yet."""
_LONGEST_WAIT = 86400.0
_UNASKED = ""
"""In place of a transaction: a request that failed on the way, to be made again after the wait."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a report settled.

    Attributes
    ----------
    confirmed, given_up : int
        Deliveries that the target keeps, and those that it lost for too long.
    """

    confirmed: int
    given_up: int


class Commitments:
    """The commitments of an outbox's targets; threads may share it.

    Parameters
    ----------
    entries : DurableFile
        With the outbox's deliveries.
    patience : Patience
        How often and how long what a target lost is sent again.
    """

    def __init__(self, entries: DurableFile, patience: Patience) -> None:
        self._entries = entries
        self._patience = patience

    def to_ask(self, target: str, wait: float, most: int = 64) -> list[tuple[str, str]]:
        """Return what was sent to a target and is to be asked for.

        Parameters
        ----------
        target : str
            Its name.
        wait : float
            Seconds that a report may take; doubled with each request, up to a day.
        most : int, optional
            How many at most.

        Returns
        -------
        list of (str, str)
            SOP class and instance UIDs, the oldest first.
        """
        with self._entries.reading() as connection:
            rows = connection.execute(
                "SELECT o.sop_class, d.uid FROM deliveries d JOIN objects o USING (uid) "
                "WHERE d.target = ? AND d.state = ? AND (d.promise IS NULL OR d.changed < ? - "
                "min(?, ? * (1 << min(20, (SELECT count(*) FROM earlier_promises e "
                "WHERE e.uid = d.uid AND e.target = d.target))))) ORDER BY d.id LIMIT ?",
                (target, Delivery.SENT, time.time(), _LONGEST_WAIT, wait, most),
            ).fetchall()
        return [(str(sop_class), str(uid)) for sop_class, uid in rows]

    def asked(self, uids: Sequence[str], target: str, transaction: str) -> None:
        """Note that a target was asked; a report on a request before counts as well."""
        now = time.time()
        with self._entries.writing() as connection:
            for uid in uids:
                which = (uid, target, Delivery.SENT)
                connection.execute(
                    "INSERT OR IGNORE INTO earlier_promises SELECT promise, uid, target FROM "
                    "deliveries WHERE uid = ? AND target = ? AND state = ? "
                    "AND promise IS NOT NULL AND promise != ?",
                    (*which, _UNASKED),
                )
                connection.execute(
                    "UPDATE deliveries SET promise = ?, changed = ? "
                    "WHERE uid = ? AND target = ? AND state = ?",
                    (transaction, now, *which),
                )

    def not_asked(self, transaction: str) -> None:
        """Note that a request did not reach its target: it does not lengthen the wait."""
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE deliveries SET promise = ? WHERE promise = ?", (_UNASKED, transaction)
            )

    def reported(self, transaction: str, kept: Sequence[str], lost: Sequence[str]) -> Settled:
        """Note a target's report: what it keeps is done, what it lost is owed again.

        Parameters
        ----------
        transaction : str
            The UID of any request for these objects since they were last sent.
        kept, lost : sequence of str
            SOP Instance UIDs.

        Returns
        -------
        Settled
            What it was about; nothing if no such request was made.
        """
        with self._entries.writing() as connection:
            given_up = [self._lose(connection, it) for it in _open(connection, transaction, lost)]
            confirmed = _open(connection, transaction, kept)
            for delivery in confirmed:
                _settle(connection, delivery, Delivery.CONFIRMED)
                connection.execute("DELETE FROM losses WHERE uid = ? AND target = ?", delivery)
        return Settled(len(confirmed), sum(given_up))

    def _lose(self, connection: sqlite3.Connection, delivery: tuple[str, str]) -> bool:
        """Let a lost object be owed again; whether it is given up instead."""
        now = time.time()
        new = connection.execute("INSERT OR IGNORE INTO losses VALUES (?, ?)", delivery).rowcount
        if new:
            # It was there once: the time to deliver it begins anew.
            connection.execute(
                "UPDATE deliveries SET made = ?, attempts = 0 WHERE uid = ? AND target = ?",
                (now, *delivery),
            )
        attempts, made = connection.execute(
            "SELECT attempts, made FROM deliveries WHERE uid = ? AND target = ?", delivery
        ).fetchone()
        over = now - float(made) >= self._patience.end
        _settle(connection, delivery, Delivery.DEAD if over else Delivery.OWED)
        connection.execute(
            "UPDATE deliveries SET due = ?, attempts = attempts + 1, promise = NULL, "
            "error = 'the archive has not kept it' WHERE uid = ? AND target = ?",
            (now + self._patience.delay(int(attempts)), *delivery),
        )
        return over


def _open(
    connection: sqlite3.Connection, transaction: str, uids: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the deliveries (object, target) that a transaction asked for and that are open."""
    return [
        delivery
        for uid in uids
        for delivery in connection.execute(
            "SELECT uid, target FROM deliveries d WHERE uid = ? AND state = ? AND (promise = ? "
            "OR EXISTS (SELECT 1 FROM earlier_promises e WHERE e.promise = ? AND e.uid = d.uid "
            "AND e.target = d.target))",
            (uid, Delivery.SENT, transaction, transaction),
        ).fetchall()
    ]


def _settle(connection: sqlite3.Connection, delivery: tuple[str, str], state: Delivery) -> None:
    connection.execute("DELETE FROM earlier_promises WHERE uid = ? AND target = ?", delivery)
    connection.execute(
        "UPDATE deliveries SET state = ?, changed = ? WHERE uid = ? AND target = ?",
        (state, time.time(), *delivery),
    )
