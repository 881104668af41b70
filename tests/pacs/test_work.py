"""What becomes of films that come twice, as priors, or before the first of their UID is scored."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset

from pneumoscore.errors import FailureReason
from pneumoscore.pacs.dicomweb import Archive, FilmQuery, FoundFilm
from pneumoscore.pacs.listener.intake import FilmIntake
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.listener.priors import Priors
from pneumoscore.pacs.listener.processes import FilmPool, FilmWork, ReceivedFilm, Result
from pneumoscore.pacs.listener.work import InboxWorker, Terms
from pneumoscore.pacs.objects.build import FilmObject, ObjectOptions
from pneumoscore.pacs.objects.header import film_header
from pneumoscore.pacs.objects.result import NO_VOI, objects_uid
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pipeline.inbox import Inbox, State
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader, ReadFilm
from pneumoscore.pipeline.result import FileResult
from pneumoscore.severity.model import SeverityModel
from tests.fixtures.pacs import film_bytes

TARGET = "archive"


class PoolHere(FilmPool):
    """Reads films in this process; some fail in a way that another attempt may cure."""

    def __init__(self, reader: FilmReader) -> None:
        self._work = FilmWork(reader)
        self.failing: set[bytes] = set()

    def read(self, path: Path) -> ReceivedFilm:
        if path.read_bytes() in self.failing:
            return ReceivedFilm(ReadFilm(error="its process ended", reason=FailureReason.CRASHED))
        received = self._work(path)
        assert isinstance(received, ReceivedFilm)
        return received

    def objects(self, result: Result) -> tuple[FilmObject, ...]:
        made = self._work(result)
        assert isinstance(made, tuple)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """What a listener has, without its network and threads."""

    inbox: Inbox
    outbox: Outbox
    intake: FilmIntake
    worker: InboxWorker
    pool: PoolHere
    recorded: list[FileResult]

    def work(self) -> None:
        """Work through what is due."""
        while entries := self.inbox.claim("worker"):
            for entry in entries:
                assert self.worker.work(entry)

    def owed(self) -> list[str]:
        return [parcel.kind for parcel in self.outbox.owed(TARGET)]


@pytest.fixture
def opened(model: SeverityModel, tmp_path: Path) -> Store:
    return store_with(model, tmp_path)


def store_with(
    model: SeverityModel,
    folder: Path,
    record: Callable[[FileResult], None] | None = None,
    *,
    voi: bool = True,
) -> Store:
    inbox, outbox = Inbox(folder / "inbox", most_attempts=3), Outbox(folder / "outbox")
    journal, pool = Journal(io.StringIO()), PoolHere(FilmReader.of(model, ScoringOptions()))
    recorded: list[FileResult] = []
    options = ObjectOptions(capture=False)
    targets = ((TARGET, ("report",)),)
    terms = Terms(0.9, options, (), targets, record=record or recorded.append, voi=voi)
    intake = FilmIntake(
        inbox, outbox, model.identity.sha256, journal,
        most_waiting=9, min_free_bytes=0, wake=lambda: None,
    )  # fmt: skip
    worker = InboxWorker(inbox, outbox, model, pool, terms, journal)
    return Store(inbox, outbox, intake, worker, pool, recorded)


class OneFilm(Archive):
    """Has one film, and remembers how often it gave it."""

    def __init__(self, film: Dataset) -> None:
        self._film = film
        self.given = 0

    def films(self, query: FilmQuery) -> Iterator[FoundFilm]:
        film = self._film
        yield FoundFilm(
            film.StudyInstanceUID, film.SeriesInstanceUID, film.SOPInstanceUID, film.SOPClassUID
        )

    def fetch(self, film: FoundFilm) -> bytes:
        self.given += 1
        return film_bytes(self._film)


def fetch_for_next(store: Store, archive: Archive, film: Dataset, model: SeverityModel) -> None:
    """Fetch earlier films as if another of this film's patient had come."""
    header = film_header(film)
    sha256 = model.identity.sha256
    priors = Priors(archive, 30, store.inbox, sha256, Journal(io.StringIO()), lambda: None)
    priors._fetch(header.text("PatientID"), header.text("StudyDate"), "1.2.3.4")


def test_a_film_that_was_fetched_as_a_prior_gets_its_report_when_it_is_sent(
    phantom_film: Dataset, tmp_path: Path, model: SeverityModel
) -> None:
    from pneumoscore.pacs.listener.listener import _recorder
    from pneumoscore.records.database import Records
    from pneumoscore.records.reading import scored_films

    uid, path = phantom_film.SOPInstanceUID, tmp_path / "records.db"
    store = store_with(model, tmp_path, _recorder(str(path), model))
    archive = OneFilm(phantom_film)
    fetch_for_next(store, archive, phantom_film, model)
    store.work()
    assert store.inbox.counts()[State.DONE] == 1
    assert (store.owed(), store.outbox.results()) == ([], {})
    with Records.open(path).engine.connect() as connection:
        before = connection.exec_driver_sql("SELECT * FROM scores").fetchall()
    assert scored_films(Records.open(path), [uid], model.identity.sha256) == {uid}
    # Its own file need not be that of the archive.
    film = deepcopy(phantom_film)
    film.InstitutionName = "Elsewhere"
    for _ in range(2):
        assert store.intake.take(film_bytes(film), uid, "TEST") == 0x0000
        store.work()
    assert (store.owed(), store.outbox.results()) == (["report"], {"scored": 1})
    with Records.open(path).engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM scores").fetchall() == before
    fetch_for_next(store, archive, phantom_film, model)
    assert archive.given == 1


def test_a_film_that_was_sent_is_not_fetched_as_a_prior(
    opened: Store, phantom_film: Dataset, model: SeverityModel
) -> None:
    archive = OneFilm(phantom_film)
    opened.intake.take(film_bytes(phantom_film), phantom_film.SOPInstanceUID, "TEST")
    fetch_for_next(opened, archive, phantom_film, model)
    opened.work()
    assert archive.given == 0
    assert opened.owed() == ["report"]
    assert len(opened.recorded) == 1


def test_a_copy_waits_as_long_as_the_first_film_of_its_uid_is_tried(
    opened: Store, phantom_film: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, copy = phantom_film.SOPInstanceUID, deepcopy(phantom_film)
    copy.InstitutionName = "Elsewhere"
    first = film_bytes(phantom_film)
    opened.pool.failing.add(first)
    for data in (first, film_bytes(copy)):
        assert opened.intake.take(data, uid, "TEST") == 0x0000
    now = time.time()
    for second in range(30):
        monkeypatch.setattr("pneumoscore.pipeline.inbox.time.time", lambda n=second: now + n)
        opened.work()
    assert [(it.state, it.error) for it in opened.inbox.entries()] == [
        (State.DEAD, "its process ended"),
        (State.DONE, None),
    ]
    assert opened.owed() == ["report"]


def test_what_is_read_without_its_voi_has_a_uid_of_its_own(
    phantom_film: Dataset, tmp_path: Path, model: SeverityModel
) -> None:
    made = []
    for voi in (True, False):
        store = store_with(model, tmp_path / str(voi), voi=voi)
        store.intake.take(film_bytes(phantom_film), phantom_film.SOPInstanceUID, "TEST")
        store.work()
        made += [parcel.uid for parcel in store.outbox.owed(TARGET)]
    source, identity = phantom_film.SOPInstanceUID, model.identity
    assert made == [
        objects_uid(source, identity, "report"),
        objects_uid(source, identity, "report", (NO_VOI,)),
    ]
