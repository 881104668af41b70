"""The queue: films that wait are scored one after the other, whatever becomes of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from pneumoscore.errors import ConflictError, FailureReason, RecordsError
from pneumoscore.records.database import Records
from pneumoscore.records.types import FilmRecord
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.downloads import DownloadOrder
from pneumoscore.server.films.expand import Bounds, Expanded
from pneumoscore.server.films.outcomes import OutcomeLog
from pneumoscore.server.films.recorded import drop_old_views
from pneumoscore.server.films.uploads import (
    count_waiting,
    expire_uploads,
    finish_upload,
    recover_store,
    waiting_uploads,
)
from pneumoscore.server.live import Bell
from pneumoscore.server.reading.blinding import blinded_films

__all__ = ["FilmQueue", "FilmWorker"]

_LOG = logging.getLogger(__name__)
_EXPIRE_SECONDS = 60.0
_PATIENCE_SECONDS = 5.0
_TRIES = 3
_FAULT = f"internal error, {_TRIES} times; send it again later, or report it with the file"


class FilmWorker(Protocol):
    """Does `film_work` in a process of its own, under limits."""

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        """Return the result; a crash or a hang is one too, with ``error`` and ``reason``."""

    def take_out(self, archive: Path, out: Path, bounds: Bounds) -> Expanded:
        """Return the films of a ZIP file, each in a file of `out`."""

    def make(self, order: DownloadOrder) -> str | None:
        """Make a file of a film; return why it could not be made."""

    def close(self) -> None:
        """End the processes."""


class FilmQueue:
    """Threads that take waiting films from the records to the worker.

    What waits lies in the records and the store, so a restart goes on where it was.

    Parameters
    ----------
    records : Records
        Open.
    store : FilmStore
        With the films.
    worker : FilmWorker
        Closed with the queue.
    bell : Bell
        Rung after each film.
    threads : int
        Films at once; beside them one place is kept for an account that has none in work, so
        that nobody waits for another's many films, or for those that hang.
    on_done : callable, optional
        Called with the outcome, ``scored`` or the reason.
    record : callable, optional
        Called with the upload, its record, and digest and likeness of its pixels; returns
        what is told.
    """

    def __init__(
        self,
        records: Records,
        store: FilmStore,
        worker: FilmWorker,
        bell: Bell,
        threads: int,
        on_done: Callable[[str], None] = lambda outcome: None,
        record: Callable[[str, FilmRecord, str, str], dict[str, Any]] | None = None,
    ) -> None:
        self._records = records
        self._store = store
        self._worker = worker
        self._bell = bell
        self._outcomes = OutcomeLog(records)
        self._on_done = on_done
        self._record = record
        self._changed = threading.Condition()
        self._taken: dict[str, str] = {}
        self._given_up: set[str] = set()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, args=(n == threads,), daemon=True)
            for n in range(threads + 1)
        ]
        self._threads.append(threading.Thread(target=self._expire, daemon=True))

    def start(self) -> None:
        """Take the store, put right what a killed server left, then begin.

        Raises
        ------
        PneumoScoreError
            If another server uses the store.
        """
        self._store.claim()
        recover_store(self._records, self._store)
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that a film waits."""
        with self._changed:
            self._changed.notify_all()

    def score(self, film: Path, out: Path) -> dict[str, Any]:
        """Score one film at once, outside the queue (for a study's films)."""
        return self._worker.work(film, out)

    def take_out(self, archive: Path, out: Path, bounds: Bounds) -> Expanded:
        """Return the films of a ZIP file, outside the queue."""
        return self._worker.take_out(archive, out, bounds)

    def make(self, order: DownloadOrder) -> str | None:
        """Make a file of a film, outside the queue; return why it could not be made."""
        try:
            return self._worker.make(order)
        finally:
            self._store.drop_stray(order.film.name)

    def stop(self) -> None:
        """Finish the films at hand and end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=60.0)
        self._worker.close()
        self._store.release()

    def waiting(self) -> int:
        """Return how many films wait."""
        return count_waiting(self._records)

    def _next(self, kept: bool) -> str | None:
        """Take the next film; of the kept place, only for an account with none in work."""
        with self._changed:
            while not self._stopped:
                busy = set(self._taken.values())
                but = {*self._taken, *self._given_up}
                found = self._first(waiting_uploads(self._records, but=but, but_of=busy))
                if found is None and busy and not kept:
                    found = self._first(waiting_uploads(self._records, but=but))
                if found is not None:
                    self._taken[found[0]] = found[1]
                    return found[0]
                self._changed.wait(timeout=5.0)
        return None

    def _first(self, waiting: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
        for number, account in waiting:
            # One that is recorded and not in its place yet comes at once.
            if self._store.path(number).is_file():
                return number, account
        return None

    def _run(self, kept: bool) -> None:
        while not self._stopped:
            try:
                number = self._next(kept)
            except Exception as error:
                self._wait_for_records(error)
                continue
            if number is not None:
                self._take(number)

    def _take(self, number: str) -> None:
        try:
            self._score(number)
        except Exception:
            # Not even that could be recorded: the film stays for the next start.
            _LOG.exception("a film could not be finished")
            with self._changed:
                self._given_up.add(number)
        finally:
            with self._changed:
                del self._taken[number]
                self._changed.notify_all()
            self._bell.ring()

    def _score(self, number: str) -> None:
        """Score a film and keep what came of it; after some faults of ours, keep that."""
        for _ in range(_TRIES):
            if self._stopped or not self._store.path(number).is_file():
                return
            try:
                result = self._work(number)
                self._keep(number, result)
            except Exception:
                _LOG.exception("a film could not be taken through the queue")
                self._pause()
            else:
                return
        self._keep(number, {"error": _FAULT, "reason": FailureReason.INTERNAL.value})

    def _work(self, number: str) -> dict[str, Any]:
        try:
            return self._worker.work(self._store.path(number), self._store.derived(number))
        finally:
            # Whoever deleted it meanwhile found nothing of what was made here.
            self._store.drop_stray(number)

    def _keep(self, number: str, result: dict[str, Any]) -> None:
        """Write what became of a film, again and again while the records cannot be written."""
        record = result.pop("record", None)
        while not self._stopped:
            try:
                self._write(number, record, result)
            except ConflictError:
                raise
            except RecordsError as error:
                self._wait_for_records(error)
            else:
                return

    def _write(self, number: str, record: FilmRecord | None, result: dict[str, Any]) -> None:
        if record is not None and self._record is not None:
            # First the records: they take a film once, however often it is handed in.
            told = self._record(number, record, result["pixels_sha256"], result["likeness"])
            result = result | told
        sha256 = finish_upload(self._records, number, result)
        self._outcomes.add(result, sha256, blinded_films(self._records))
        self._on_done(str(result.get("reason", "scored")))

    def _wait_for_records(self, error: Exception) -> None:
        _LOG.warning("films wait until the records can be used again: %s", error)
        self._pause()

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, timeout=_PATIENCE_SECONDS)

    def _expire(self) -> None:
        while not self._stopped:
            try:
                expire_uploads(self._records, self._store)
                drop_old_views(self._store)
                self._store.drop_strays()
            except Exception:
                _LOG.exception("uploads could not be expired")
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, timeout=_EXPIRE_SECONDS)
