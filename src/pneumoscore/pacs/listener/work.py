"""Films from the inbox to the outbox: read in a process of its own, scored, made objects."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.errors import FailureReason, NotScorableError, PneumoScoreError
from pneumoscore.pacs.deliveries import OutboxObject
from pneumoscore.pacs.errors import HeaderError
from pneumoscore.pacs.listener.intake import film_key
from pneumoscore.pacs.listener.journal import Journal, film_name
from pneumoscore.pacs.listener.processes import FilmPool, Result
from pneumoscore.pacs.objects.build import ObjectOptions
from pneumoscore.pacs.objects.film import describe_input
from pneumoscore.pacs.objects.header import FilmHeader, film_header, read_header
from pneumoscore.pacs.objects.result import NO_VOI, FilmReport, Refusal
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pipeline.engines.processes import WorkerError
from pneumoscore.pipeline.inbox import Entry, Inbox, State
from pneumoscore.pipeline.reading import ReadFilm
from pneumoscore.pipeline.result import FileResult
from pneumoscore.severity.model import SeverityModel

__all__ = ["InboxWorker", "MessageMaker", "Terms", "reason_file"]

MessageMaker = Callable[[FilmHeader, FilmReport], OutboxObject]
"""Makes a further object of a result: a FHIR bundle, an HL7 message."""

# Another attempt may go otherwise; a damaged film stays damaged.
_PASSING = (FailureReason.CRASHED, FailureReason.TIMEOUT, FailureReason.INTERNAL)
_IDLE_SECONDS = 0.5
_TURN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What workers are told.

    Attributes
    ----------
    level : float
        Nominal coverage of the intervals.
    objects : ObjectOptions
        Which objects a film gets.
    messages : tuple of MessageMaker
        Further objects.
    targets : tuple of (str, tuple of str)
        Names of the targets, and the kinds that each takes.
    record : callable or None
        Writes a scored film to the records.
    scored : callable or None
        Told of each film that has a result, to look for the patient's earlier ones.
    voi : bool
        Whether films are read through their VOI; if not, objects have UIDs of their own.
    """

    level: float
    objects: ObjectOptions
    messages: tuple[MessageMaker, ...]
    targets: tuple[tuple[str, tuple[str, ...]], ...]
    record: Callable[[FileResult], None] | None = None
    scored: Callable[[FilmHeader], None] | None = None
    voi: bool = True


def reason_file(film: Path) -> Path:
    """Return the file that says why a film was given up; it lies beside it."""
    return film.with_suffix(".reason.txt")


class _TryAgainError(Exception):
    """Another attempt may go otherwise."""


class InboxWorker:
    """Works through the inbox until it is told to stop.

    Parameters
    ----------
    inbox, outbox
        From and to.
    model : SeverityModel
        Opened; shared by workers, one film at a time.
    pool : FilmPool
        Reads films and makes their objects.
    terms : Terms
        How.
    journal : Journal
        What happens is said there.
    """

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        model: SeverityModel,
        pool: FilmPool,
        terms: Terms,
        journal: Journal,
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._model = model
        self._pool = pool
        self._terms = terms
        self._journal = journal
        self._network = threading.Lock()
        self._preparation = describe_input(model.backbone.record.input)

    def run(
        self, name: str, stop: threading.Event, came: threading.Event, made: Callable[[], None]
    ) -> None:
        """Work until `stop`; `came` wakes it, and it calls `made` after each result."""
        while not stop.is_set():
            try:
                entries = self._inbox.claim(name, most=1)
            except sqlite3.Error:
                # A full disk: what was received stays, and waits for room.
                self._journal.say("inbox cannot be written")
                stop.wait(_TURN_SECONDS)
                continue
            if not entries:
                came.wait(_IDLE_SECONDS)
                came.clear()
                continue
            for entry in entries:
                # A full disk takes not even the note that a film waits: it stays at work.
                while not self.work(entry) and not stop.wait(_TURN_SECONDS):
                    pass
                made()

    def work(self, entry: Entry) -> bool:
        """Score one film; whatever happens to it, the others go on.

        Returns
        -------
        bool
            Whether what became of it could be noted.
        """
        film = film_name(str(entry.details.get("uid", "")))
        began = time.monotonic()
        try:
            outcome = self._worked(entry)
        except (HeaderError, PneumoScoreError) as error:
            return self._bury(entry, film, str(error))
        except _TryAgainError as error:
            return self._later(entry, film, str(error))
        except (OSError, sqlite3.Error) as error:
            why = f"cannot be stored ({type(error).__name__})"
            return self._later(entry, film, why, endless=True)
        except Exception as error:
            return self._later(entry, film, f"internal error ({type(error).__name__})")
        if outcome is not None:
            self._journal.say(
                "film done",
                film=film,
                outcome=outcome,
                seconds=round(time.monotonic() - began, 3),
                waited=round(time.time() - entry.came, 3),
            )
        return True

    def _worked(self, entry: Entry) -> str | None:
        """Return what became of a film; None if it was given back."""
        uid = str(entry.details["uid"])
        film = film_name(uid)
        again = bool(entry.details.get("again"))
        sha256 = self._model.identity.sha256
        known = self._outbox.picture_of(uid, sha256)
        if known is not None and not again:
            # Its worker died between the result and the entry's end.
            self._inbox.done(entry)
            return "known"
        if again and known is None and self._first_is_open(uid):
            why = "the first film of this UID is not scored yet"
            self._inbox.postpone(entry, why, _TURN_SECONDS)
            return None
        header = film_header(read_header(entry.path.read_bytes()))
        if header.sop_instance_uid != uid:
            raise HeaderError("a film whose SOP Instance UID is not the one it was sent under")
        received = self._pool.read(entry.path)
        read = received.read
        if read.film is None:
            if read.reason in _PASSING:
                raise _TryAgainError(str(read.error))
            raise PneumoScoreError(str(read.error))
        if known is not None:
            if known != received.picture:
                raise HeaderError("other pixels under a SOP Instance UID that is known")
            self._inbox.done(entry)
            return "known by its pixels"
        report = self._report(read)
        prior = bool(entry.details.get("prior"))
        objects = [] if prior else self._objects(header, report, read)
        state = "refused" if isinstance(report.outcome, Refusal) else "scored"
        self._record(entry, film, read, report)
        if not prior:
            # A prior is for the records alone: were it a result, the film itself, sent later,
            # would be known and get none.
            self._outbox.add(uid, sha256, state, received.picture, objects, self._terms.targets)
        self._inbox.done(entry)
        if not prior and self._terms.scored is not None:
            self._terms.scored(header)
        return state

    def _objects(
        self, header: FilmHeader, report: FilmReport, read: ReadFilm
    ) -> list[OutboxObject]:
        try:
            made = self._pool.objects(Result(header, report, read.view, self._terms.objects))
        except WorkerError as error:
            raise _TryAgainError(str(error)) from error
        return [
            *(
                OutboxObject(item.sop_instance_uid, item.kind, item.sop_class_uid, item.data)
                for item in made
            ),
            *(make(header, report) for make in self._terms.messages),
        ]

    def _record(self, entry: Entry, film: str, read: ReadFilm, report: FilmReport) -> None:
        """Write a score to the records; what cannot be recorded is said, and delivered still."""
        if self._terms.record is None or isinstance(report.outcome, Refusal):
            return
        result = FileResult(
            entry.path,
            report.outcome,
            flags=report.flags,
            metadata=read.metadata,
            view=read.view,
            content=entry.content,
            pixels=read.pixels,
        )
        try:
            self._terms.record(result)
        except PneumoScoreError as error:
            self._journal.say("film not recorded", film=film, reason=str(error))
        except Exception as error:
            self._journal.say("film not recorded", film=film, reason=type(error).__name__)

    def _first_is_open(self, uid: str) -> bool:
        first = self._inbox.find(film_key(uid, self._model.identity.sha256))
        return first is not None and first.state in (State.WAITING, State.CLAIMED)

    def _report(self, read: ReadFilm) -> FilmReport:
        assert read.film is not None
        with self._network:
            (result,) = self._model.score_prepared([read.film], level=self._terms.level)
        said = () if self._terms.voi else (NO_VOI,)
        if isinstance(result, NotScorableError):
            refusal = Refusal(result.flags, str(result), self._model.identity)
            return FilmReport(refusal, self._preparation, terms=said)
        return FilmReport(result, self._preparation, read.origin, said)

    def _later(self, entry: Entry, film: str, why: str, *, endless: bool = False) -> bool:
        try:
            if endless:
                # Until there is room.
                self._inbox.postpone(entry, why, _TURN_SECONDS)
                self._journal.say("film waits", film=film, reason=why)
            elif self._inbox.retry(entry, why) is State.DEAD:
                return self._bury(entry, film, why)
            else:
                self._journal.say("film tried again later", film=film, reason=why)
        except (OSError, sqlite3.Error):
            self._journal.say("film waits", film=film, reason=why)
            return False
        return True

    def _bury(self, entry: Entry, film: str, why: str) -> bool:
        try:
            self._inbox.bury(entry, why)
            reason_file(entry.path).write_text(why + "\n", encoding="utf-8")
        except (OSError, sqlite3.Error):
            self._journal.say("film waits", film=film, reason=why)
            return False
        self._journal.say("film given up", film=film, reason=why)
        return True
