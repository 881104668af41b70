"""The listener, put together: network, inbox, workers, outbox, targets, retention, status."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pacs.dicomweb import Archive
from pneumoscore.pacs.listener.acceptor import start_server
from pneumoscore.pacs.listener.deliver import Deliverer
from pneumoscore.pacs.listener.intake import FilmIntake
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.listener.options import ListenOptions
from pneumoscore.pacs.listener.priors import Priors
from pneumoscore.pacs.listener.processes import FilmPool, Result
from pneumoscore.pacs.listener.service import DicomService
from pneumoscore.pacs.listener.status import StatusServer, store_status
from pneumoscore.pacs.listener.work import InboxWorker, MessageMaker, Terms, reason_file
from pneumoscore.pacs.objects.build import ObjectOptions
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport, Refusal
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.targets import Target, make_target
from pneumoscore.pipeline.inbox import Inbox, State
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader
from pneumoscore.pipeline.result import FileResult
from pneumoscore.severity.model import SeverityModel

__all__ = ["Listener"]

_CR = "1.2.840.10008.5.1.4.1.1.1"
_HOUR = 3600.0
_DAY = 86400.0
_MOST_ATTEMPTS = 10
_PATIENCE_AT_STOP = 30.0


class Listener:
    """Films in, results out, until it is told to stop.

    Parameters
    ----------
    options : ListenOptions
        What it is told.
    model : SeverityModel
        Opened.
    scoring : ScoringOptions
        How films are read and scored.
    journal : Journal
        What happens is said there.

    Raises
    ------
    PneumoScoreError
        If the store is in use or cannot be used, or a setting has no sense.
    """

    def __init__(
        self,
        options: ListenOptions,
        model: SeverityModel,
        scoring: ScoringOptions,
        journal: Journal,
    ) -> None:
        self._options = options
        self._journal = journal
        self._model = model
        self._stop = threading.Event()
        self._came = threading.Event()
        self._threads: list[threading.Thread] = []
        options.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _locked(options.store)
        self.inbox = Inbox(options.store / "inbox", most_attempts=_MOST_ATTEMPTS)
        self.outbox = Outbox(options.store / "outbox", options.patience)
        self._clear_up()
        targets = [make_target(text, options.aet, options.outgoing) for text in options.to]
        self._deliverers = [
            Deliverer(self.outbox, target, journal, commit=options.commit) for target in targets
        ]
        self._pool = FilmPool(FilmReader.of(model, scoring), scoring.seconds)
        self._priors = _priors(options, model, self.inbox, journal, self._came.set)
        self._worker = InboxWorker(
            self.inbox,
            self.outbox,
            model,
            self._pool,
            _terms(options, scoring, targets, self._priors, model),
            journal,
        )
        intake = FilmIntake(
            self.inbox,
            self.outbox,
            model.identity.sha256,
            journal,
            most_waiting=options.most_waiting,
            min_free_bytes=options.min_free_mb * 2**20,
            wake=self._came.set,
        )
        self._service = DicomService(options, intake, self.outbox, journal)

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until `stop` is called.

        Parameters
        ----------
        ready : callable, optional
            Called once films are accepted.

        Raises
        ------
        OSError
            If an address is taken.
        """
        options, incoming = self._options, self._options.incoming
        self._warm_up()
        entity = self._service.entity()
        server = start_server(
            entity,
            (options.host, options.port),
            options.limits,
            ssl_context=None if incoming is None else incoming.server_context(),
            handlers=self._service.handlers,
        )
        status = None
        try:
            if options.status_port:
                status = StatusServer(
                    options.status_port,
                    lambda: store_status(self.inbox, self.outbox, options.store),
                )
            self._start()
            self._journal.say("listening", port=options.port, aet=options.aet)
            if ready is not None:
                ready()
            while not self._stop.wait(_HOUR):
                self._tidy_if_possible()
        finally:
            self._stop.set()
            self._journal.say("stopping")
            server.shutdown()
            _wait_for_associations(server.active_associations, _PATIENCE_AT_STOP)
            entity.shutdown()
            self._end()
            if status is not None:
                status.close()
            self._journal.say("stopped")

    def stop(self) -> None:
        """Accept nothing more, finish what is at work, and let `run` return."""
        self._stop.set()

    def _warm_up(self) -> None:
        """Load what the first film would otherwise wait for: readers, tables, lettering."""
        header = FilmHeader(_CR, "1.2", "1.3", "1.4", "CR", 1, 1, ("L", "F"), None, ())
        refusal = FilmReport(Refusal((), "", self._model.identity), "")
        result = Result(header, refusal, None, ObjectOptions())
        both = threading.Barrier(self._options.workers)

        def warm(_: int) -> None:
            both.wait()
            self._pool.read(Path(os.devnull))
            self._pool.objects(result)

        with ThreadPoolExecutor(self._options.workers) as threads:
            list(threads.map(warm, range(self._options.workers)))

    def _start(self) -> None:
        for number in range(self._options.workers):
            name = f"worker {number}"
            work = partial(self._worker.run, name, self._stop, self._came, self._wake_deliverers)
            self._thread(name, work)
        for deliverer in self._deliverers:
            self._thread("deliverer", partial(deliverer.run, self._stop))
        if self._priors is not None:
            self._thread("priors", partial(self._priors.run, self._stop))

    def _thread(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wake_deliverers(self) -> None:
        for deliverer in self._deliverers:
            deliverer.wake.set()

    def _end(self) -> None:
        self._came.set()
        self._wake_deliverers()
        end = time.monotonic() + _PATIENCE_AT_STOP
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._pool.end()
        self._lock.close()

    def _clear_up(self) -> None:
        """Free what a listener before us had at work, and remove what it left half done.

        That is films that it had half taken in, and films that were done and not deleted yet.
        """
        self.inbox.release()
        entries = self.inbox.entries()
        known = {entry.path.stem for entry in entries if entry.state is not State.DONE}
        for path in (self.inbox.folder / "films").iterdir():
            if path.name.split(".", 1)[0] not in known:
                path.unlink(missing_ok=True)
        self._tidy()

    def _tidy_if_possible(self) -> None:
        try:
            self._tidy()
        except (OSError, sqlite3.Error) as error:
            # A full disk must not end what receives films; the next hour tries again.
            self._journal.say("not tidied", reason=type(error).__name__)

    def _tidy(self) -> None:
        """Delete results and films whose time is over."""
        now = time.time()
        removed = self.outbox.forget(
            now - self._options.keep_days * _DAY, committed=self._options.commit
        )
        dead = 0
        for entry in self.inbox.entries(State.DEAD):
            if entry.came < now - self._options.keep_dead_days * _DAY:
                reason_file(entry.path).unlink(missing_ok=True)
                dead += self.inbox.remove(entry.key)
        if removed or dead:
            self._journal.say("deleted", results=removed, dead_films=dead)


def _locked(store: Path) -> IO[str]:
    lock = (store / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise PneumoScoreError(
            f"the store {store} is in use", "one listener a store", "name another with --store"
        ) from error
    os.set_inheritable(lock.fileno(), False)
    return lock


def _priors(
    options: ListenOptions,
    model: SeverityModel,
    inbox: Inbox,
    journal: Journal,
    wake: Callable[[], None],
) -> Priors | None:
    if not options.priors:
        return None
    archive = Archive(options.priors)
    return Priors(archive, options.priors_days, inbox, model.identity.sha256, journal, wake)


def _recorder(place: str, model: SeverityModel) -> Callable[[FileResult], None]:
    """Return what writes scores to records, one at a time."""
    from pneumoscore.settings import require_extra

    require_extra("monitor", "sqlalchemy", "alembic")
    from pneumoscore.pipeline.intake import dicom_record
    from pneumoscore.records.database import Records
    from pneumoscore.records.reading import check_model
    from pneumoscore.records.writing import add_films

    records = Records.open(place)
    check_model(records, model.identity)
    lock = threading.Lock()

    def record(result: FileResult) -> None:
        with lock:
            add_films(records, [dicom_record(result)], source="listener", actor="listener")

    return record


def _terms(
    options: ListenOptions,
    scoring: ScoringOptions,
    targets: list[Target],
    priors: Priors | None,
    model: SeverityModel,
) -> Terms:
    messages: list[MessageMaker] = []
    if options.fhir:
        from pneumoscore.pacs.messages import fhir_object

        messages.append(fhir_object)
    if options.hl7:
        from pneumoscore.pacs.messages import hl7_object

        messages.append(hl7_object)
    return Terms(
        level=scoring.level,
        objects=ObjectOptions(options.report, options.capture, options.segmentation),
        messages=tuple(messages),
        targets=tuple((target.name, tuple(target.kinds)) for target in targets),
        record=_recorder(options.records, model) if options.records else None,
        scored=None if priors is None else priors.look_for,
        voi=scoring.read.voi,
    )


def _wait_for_associations(associations: list[threading.Thread], seconds: float) -> None:
    end = time.monotonic() + seconds
    for association in associations:
        with suppress(RuntimeError):
            association.join(max(0.0, end - time.monotonic()))
