"""Deleted films leave nothing, whatever fails or happens meanwhile."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.downloads import Download, DownloadOrder
from pneumoscore.server.films.queue import FilmQueue
from pneumoscore.server.films.recorded import recorded_number
from pneumoscore.server.films.uploads import (
    NewFilm,
    drop_upload,
    expire_uploads,
    list_uploads,
    record_uploads,
)
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.steps import create_study, drop_film
from pneumoscore.server.reading.study import StudyState, study_films
from pneumoscore.server.site import Site
from tests.server.conftest import RuleWorker, make_site
from tests.server.test_films import everything_in
from tests.server.test_hostile import wait_until, waiting_film

FILM, OTHER = "a" * 32, "b" * 32


class LateWorker(RuleWorker):
    """Writes what it makes of a film when it is let go, though the film may be gone."""

    def __init__(self) -> None:
        self.read, self.go = threading.Event(), threading.Event()

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        self.read.set()
        assert self.go.wait(30.0)
        out.mkdir(parents=True, exist_ok=True)
        (out / "screen").write_bytes(b"pixels")
        return {"error": "it is no film", "reason": "unreadable"}

    def make(self, order: DownloadOrder) -> str | None:
        self.work(order.film, order.out.parent)
        return super().make(order)


@pytest.fixture
def site(records: Records, tmp_path: Path) -> Site:
    return make_site(records, tmp_path)


def test_a_film_that_is_deleted_while_it_is_scored_leaves_nothing(site: Site) -> None:
    ada = create_account(site.records, "ada", Role.VIEWER, None, actor="t")
    worker, done = LateWorker(), threading.Event()
    queue = FilmQueue(
        site.records, site.films, worker, site.bell, 1, on_done=lambda outcome: done.set()
    )
    waiting_film(site, ada, FILM, b"a film")
    queue.start()
    try:
        assert worker.read.wait(20.0)
        drop_upload(site.records, site.films, FILM)
        worker.go.set()
        assert done.wait(20.0)
    finally:
        worker.go.set()
        queue.stop()
    assert list_uploads(site.records, ada) == ()
    assert everything_in(site.films.folder) == []


def test_a_film_that_is_deleted_while_a_file_is_made_of_it_leaves_nothing(site: Site) -> None:
    worker = LateWorker()
    queue = FilmQueue(site.records, site.films, worker, site.bell, 1)
    site.films.writing(FILM).write_bytes(b"a film")
    site.films.keep(FILM)
    film, out = site.films.path(FILM), site.films.derived(FILM) / "report.pdf"
    order = DownloadOrder(Download.PDF, film, out, "a film")
    making = threading.Thread(target=queue.make, args=(order,))
    making.start()
    assert worker.read.wait(20.0)
    site.films.drop(FILM)
    worker.go.set()
    making.join(20.0)
    assert everything_in(site.films.folder) == []


def failing_drop(monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    genuine: Callable[[FilmStore, str], None] = FilmStore.drop

    def drop(store: FilmStore, given: str) -> None:
        if given == number:
            raise PermissionError(13, "Permission denied")
        genuine(store, given)

    monkeypatch.setattr(FilmStore, "drop", drop)


def test_what_cannot_be_deleted_stays_recorded_until_it_can(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    ada = create_account(site.records, "ada", Role.VIEWER, None, actor="t")
    for number in (FILM, OTHER):
        site.films.writing(number).write_bytes(b"a film")
        record_uploads(
            site.records, timedelta(seconds=-1), ada, [NewFilm(number, "film", "0" * 64)]
        )
        site.films.keep(number)
    with pytest.MonkeyPatch.context() as patch:
        failing_drop(patch, FILM)
        with pytest.raises(PermissionError):
            drop_upload(site.records, site.films, FILM)
        assert len(list_uploads(site.records, ada)) == 2
        assert expire_uploads(site.records, site.films) == 1
    assert caplog.text.count("could not be deleted") == 1
    assert [upload.id for upload in list_uploads(site.records, ada)] == [FILM]
    assert everything_in(site.films.folder) == [site.films.path(FILM)]
    assert expire_uploads(site.records, site.films) == 1
    assert list_uploads(site.records, ada) == ()
    assert everything_in(site.films.folder) == []


def test_a_study_film_goes_with_its_file_or_stays_with_it(site: Site) -> None:
    from sqlalchemy import update

    from pneumoscore.records.site_schema import reader_studies
    from pneumoscore.server.films.intake import Received
    from pneumoscore.server.reading.sealing import take_study_film

    owner = create_account(site.records, "owner", Role.OWNER, None, actor="t")
    study = create_study(site.records, owner, "study", StudyOptions())
    site.films.writing(FILM).write_bytes(b"a film")
    take_study_film(site, study, Received(FILM, "0" * 64), "film", actor="owner")

    def drop() -> None:
        drop_film(site.records, site.films, study, FILM, actor="owner")

    def state(value: StudyState) -> None:
        with site.records.writing() as connection:
            connection.execute(update(reader_studies).values(state=value.value))

    with pytest.MonkeyPatch.context() as patch:
        failing_drop(patch, FILM)
        with pytest.raises(PermissionError):
            drop()
    assert len(study_films(site.records, study)) == 1
    state(StudyState.OPEN)
    with pytest.raises(ReadingError):
        drop()
    assert site.films.path(FILM).is_file()
    state(StudyState.DRAFT)
    drop()
    assert study_films(site.records, study) == ()
    assert everything_in(site.films.folder) == []


def test_what_was_made_of_films_that_are_gone_is_tidied_while_the_server_runs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = site.films
    views, begun = recorded_number("0" * 64), "c" * 32
    for number in (FILM, OTHER, views, begun):
        store.writing(number)  # makes the folder above
        store.derived(number).mkdir()
    store.writing(begun).write_bytes(b"half a film")
    store.writing(OTHER).write_bytes(b"a film")
    store.keep(OTHER)
    monkeypatch.setattr("pneumoscore.server.films.queue.recover_store", lambda *_: None)
    site.queue.start()
    try:
        wait_until(lambda: not store.derived(FILM).exists())
    finally:
        site.queue.stop()
    assert all(store.derived(number).is_dir() for number in (OTHER, views, begun))
