"""A durable inbox: films that came in and wait to be scored.

The listener and the page put films in, workers claim them. An entry is claimed, then done,
tried again later, or dead; nothing is lost when any process dies at any moment, and a claim
whose worker died is free again when its lease ends. Entries stand in one SQLite file, films
as files beside it; both are their owner's only.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import sync_folder
from pneumoscore.pipeline.durable import DurableFile
from pneumoscore.pipeline.inbox_entry import Entry, State

__all__ = ["Entry", "Inbox", "State"]

_FIRST_DELAY, _LONGEST_DELAY = 5.0, 3600.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  file TEXT NOT NULL,
  content TEXT NOT NULL,
  details TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL,
  worker TEXT,
  error TEXT,
  came REAL NOT NULL,
  changed REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS by_state ON entries (state, due);
"""


class Inbox:
    """An inbox in a folder; open it in as many processes and threads as you like.

    Parameters
    ----------
    folder : Path
        Made if it is not there, for its owner only.
    most_attempts : int, optional
        After so many failed attempts an entry is dead.

    Raises
    ------
    PneumoScoreError
        If the folder cannot be made or used.
    """

    def __init__(self, folder: Path, *, most_attempts: int = 5) -> None:
        self.folder = folder
        self._films = folder / "films"
        self._most = most_attempts
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._films.mkdir(mode=0o700, exist_ok=True)
            self._entries = DurableFile(folder / "inbox.db", _SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise PneumoScoreError(
                f"the inbox {folder} cannot be used ({error})", "a folder that may be written"
            ) from error

    def put(self, data: bytes, key: str, details: Mapping[str, Any] | None = None) -> bool:
        """Take in a film; when this returns, it is on the disk.

        Parameters
        ----------
        data : bytes
            The whole file.
        key : str
            What makes it one film, as its SOP Instance UID.
        details : mapping, optional
            What the worker must know: JSON values.

        Returns
        -------
        bool
            False if the same film, by key and content, was taken in before.

        Raises
        ------
        PneumoScoreError
            If another film came under this key before.
        OSError, sqlite3.Error
            If it cannot be written; nothing is taken in then.
        """
        content = hashlib.sha256(data).hexdigest()
        # Random: neither a key nor a patient may be read off a file's name.
        name = f"{secrets.token_hex(16)}.film"
        handle = os.open(self._films / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            sync_folder(self._films)
            return self._enter(name, key, content, details or {})
        except BaseException:
            (self._films / name).unlink(missing_ok=True)
            raise

    def _enter(self, name: str, key: str, content: str, details: Mapping[str, Any]) -> bool:
        now = time.time()
        with self._entries.writing() as connection:
            row = connection.execute("SELECT content FROM entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                connection.execute(
                    "INSERT INTO entries (key, file, content, details, state, due, came, changed)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, name, content, json.dumps(dict(details)), State.WAITING, now, now, now),
                )
                return True
        (self._films / name).unlink(missing_ok=True)
        if row[0] != content:
            raise PneumoScoreError(
                "another film came under the same identifier before", "one identifier a film"
            )
        return False

    def claim(self, worker: str, *, most: int = 1, lease: float = 300.0) -> list[Entry]:
        """Claim entries that wait and are due, the oldest first.

        Parameters
        ----------
        worker : str
            Who claims.
        most : int, optional
            How many at most.
        lease : float, optional
            Seconds after which the claim ends by itself; an entry claimed too often without
            an end is dead.

        Returns
        -------
        list of Entry
            Empty if nothing waits.
        """
        now = time.time()
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE entries SET state = ?, error = coalesce(error, 'its worker ended'), "
                "changed = ? WHERE state = ? AND due <= ? AND attempts >= ?",
                (State.DEAD, now, State.CLAIMED, now, self._most),
            )
            rows = connection.execute(
                "SELECT id FROM entries WHERE state IN (?, ?) AND due <= ? ORDER BY id LIMIT ?",
                (State.WAITING, State.CLAIMED, now, most),
            ).fetchall()
            for (number,) in rows:
                connection.execute(
                    "UPDATE entries SET state = ?, worker = ?, attempts = attempts + 1, due = ?, "
                    "changed = ? WHERE id = ?",
                    (State.CLAIMED, worker, now + lease, now, number),
                )
        return [self.entry(number) for (number,) in rows]

    def done(self, entry: Entry) -> None:
        """Mark an entry as done and remove its film."""
        self._set(entry, State.DONE)
        entry.path.unlink(missing_ok=True)

    def retry(self, entry: Entry, error: str, *, delay: float | None = None) -> State:
        """Give an entry back after a failed attempt.

        Parameters
        ----------
        entry : Entry
            As claimed.
        error : str
            Why it failed.
        delay : float, optional
            Seconds until it is due again; by default 5, doubled with each attempt, at most an
            hour.

        Returns
        -------
        State
            `State.WAITING`, or `State.DEAD` after too many attempts.
        """
        if entry.attempts >= self._most:
            return self.bury(entry, error)
        wait = min(_FIRST_DELAY * 2 ** (entry.attempts - 1), _LONGEST_DELAY)
        self._set(entry, State.WAITING, error, time.time() + (wait if delay is None else delay))
        return State.WAITING

    def postpone(self, entry: Entry, why: str, delay: float) -> None:
        """Give an entry back, and its attempt: it waits `delay` seconds for no fault of its own."""
        now = time.time()
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE entries SET state = ?, error = ?, due = ?, worker = NULL, changed = ?, "
                "attempts = max(0, attempts - 1) WHERE id = ?",
                (State.WAITING, why, now + delay, now, entry.id),
            )

    def bury(self, entry: Entry, error: str) -> State:
        """Give an entry up at once: a film that no further attempt can save."""
        self._set(entry, State.DEAD, error)
        return State.DEAD

    def release(self) -> int:
        """Free all claims and give their attempts back; how many.

        For the only user of an inbox, at its start: whoever claimed before has died, and not
        for the films' sake.
        """
        with self._entries.writing() as connection:
            return connection.execute(
                "UPDATE entries SET state = ?, attempts = max(0, attempts - 1), due = ?, "
                "worker = NULL WHERE state = ?",
                (State.WAITING, time.time(), State.CLAIMED),
            ).rowcount

    def find(self, key: str) -> Entry | None:
        """Return the entry of a key, or None."""
        with self._entries.reading() as connection:
            row = connection.execute(f"{_COLUMNS} WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._entry(row)

    def revive(self, number: int) -> None:
        """Let a dead entry wait again, with all its attempts."""
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE entries SET state = ?, attempts = 0, due = ? WHERE id = ? AND state = ?",
                (State.WAITING, time.time(), number, State.DEAD),
            )

    def remove(self, key: str) -> bool:
        """Remove an entry and its film for good; whether there was one."""
        with self._entries.writing() as connection:
            row = connection.execute("SELECT file FROM entries WHERE key = ?", (key,)).fetchone()
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
        if row is not None:
            (self._films / row[0]).unlink(missing_ok=True)
        return row is not None

    def entries(self, state: State | None = None) -> Iterator[Entry]:
        """Yield the entries, or those in one state, the oldest first."""
        where, values = ("WHERE state = ?", (str(state),)) if state is not None else ("", ())
        with self._entries.reading() as connection:
            rows = connection.execute(f"{_COLUMNS} {where} ORDER BY id", values).fetchall()
        for row in rows:
            yield self._entry(row)

    def entry(self, number: int) -> Entry:
        """Return one entry.

        Raises
        ------
        KeyError
            If there is none of this number.
        """
        with self._entries.reading() as connection:
            row = connection.execute(f"{_COLUMNS} WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise KeyError(number)
        return self._entry(row)

    def counts(self) -> dict[State, int]:
        """Return how many entries are in each state."""
        with self._entries.reading() as connection:
            rows = connection.execute("SELECT state, count(*) FROM entries GROUP BY state")
            found = {State(state): int(count) for state, count in rows}
        return {state: found.get(state, 0) for state in State}

    def _set(
        self, entry: Entry, state: State, error: str | None = None, due: float | None = None
    ) -> None:
        now = time.time()
        with self._entries.writing() as connection:
            connection.execute(
                "UPDATE entries SET state = ?, error = ?, due = ?, worker = NULL, changed = ? "
                "WHERE id = ?",
                (state, error, now if due is None else due, now, entry.id),
            )

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        number, key, file, content, details, state, attempts, error, came = row
        return Entry(
            int(number),
            str(key),
            self._films / str(file),
            str(content),
            json.loads(details),
            State(state),
            int(attempts),
            error,
            float(came),
        )


_COLUMNS = "SELECT id, key, file, content, details, state, attempts, error, came FROM entries"
