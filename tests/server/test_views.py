"""Views of recorded films: a bounded number at once, each made once and whole."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pneumoscore.files import sha256_of
from pneumoscore.records.database import Records
from pneumoscore.records.writing import add_films
from pneumoscore.server.films.recorded import drop_old_views, make_views, recorded_number
from pneumoscore.server.follow.films import made_views
from pneumoscore.server.site import Site
from tests.fixtures.records import _free_port as free_port
from tests.fixtures.records import film_record
from tests.server.conftest import RuleWorker, make_site
from tests.server.test_films import everything_in
from tests.server.test_hostile import serving, signed_in, wait_until


class HalfWorker(RuleWorker):
    """Writes half of a film's views, and the rest when it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.lock = threading.Lock()
        self.begun: Counter[str] = Counter()

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        out.mkdir(parents=True, exist_ok=True)
        (out / "screen").write_bytes(b"half")
        with self.lock:
            self.begun[film.name] += 1
        assert self.free.wait(60.0)
        return super().work(film, out)


@pytest.fixture
def site(records: Records, tmp_path: Path) -> Site:
    films = [tmp_path / f"film-{number}" for number in range(8)]
    for number, path in enumerate(films):
        path.write_bytes(b"film %d" % number)
    rows = [
        film_record("P", day, film_uid=f"1.{day}", file=str(path), file_sha256=sha256_of(path))
        for day, path in enumerate(films)
    ]
    add_films(records, rows, source="test")
    return make_site(records, tmp_path, port=free_port())


@pytest.fixture
def worker(site: Site) -> Iterator[HalfWorker]:
    worker = HalfWorker()
    site.queue._worker = worker
    yield worker
    worker.free.set()


def look(url: str, told: dict[str, str], film: int, size: str = "screen") -> httpx2.Response:
    path = f"{url}/api/v1/patients/1/films/{film}/view?size={size}"
    return httpx2.get(path, headers=told, timeout=60)


def test_so_many_films_are_made_at_once_and_each_by_one(site: Site, worker: HalfWorker) -> None:
    with serving(site) as url, ThreadPoolExecutor(16) as threads:
        ask = partial(look, url, signed_in(site, "ada"))
        try:
            # One film that several look at takes one place.
            first = [threads.submit(ask, 1, size) for size in ("screen", "full") * 3]
            wait_until(lambda: worker.begun.total() == 1)
            others = [threads.submit(ask, film) for film in range(2, 9)]
            wait_until(lambda: worker.begun.total() == 4)
            time.sleep(0.3)
            assert worker.begun.total() == 4
            assert httpx2.get(f"{url}/health").status_code == 200
        finally:
            worker.free.set()
        answers = [asked.result() for asked in (*first, *others)]
    assert [answer.status_code for answer in answers] == [200] * 13
    assert {len(answer.content) for answer in answers} == {8 + 2 * 40 * 30}
    assert set(worker.begun.values()) == {1}
    assert worker.begun.total() == 8


def test_views_are_there_whole_or_not_at_all(site: Site, tmp_path: Path) -> None:
    film, sha256 = tmp_path / "film-0", sha256_of(tmp_path / "film-0")
    number = recorded_number(sha256)

    def broken(out: Path) -> dict[str, Any]:
        RuleWorker().work(film, out)
        assert made_views(site, sha256) is None
        return {"error": "its decoder crashed", "reason": "crashed"}

    assert make_views(site.films, number, broken) is None
    assert everything_in(site.films.folder) == []
    left = site.films.derived(number).with_suffix(".new")
    left.mkdir()
    (left / "map-opacity.png").write_bytes(b"of a server that was killed")
    folder = make_views(site.films, number, partial(RuleWorker().work, film))
    assert folder == made_views(site, sha256)
    assert sorted(path.name for path in everything_in(site.films.folder)) == ["full", "screen"]


def test_what_a_killed_server_began_goes_with_old_views(site: Site) -> None:
    number = recorded_number("0" * 64)
    site.films.writing(number)  # makes the folder above
    left = site.films.derived(number).with_suffix(".new")
    left.mkdir()
    assert drop_old_views(site.films) == 0
    os.utime(left, (0, 0))
    assert drop_old_views(site.films) == 1
    assert not left.exists()
