"""Uploads: counted, kept, watched, one's own, expired, taken up again after a crash."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from pneumoscore.errors import PneumoScoreError
from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.app import create_app
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.uploads import (
    NewFilm,
    expire_uploads,
    record_uploads,
    recover_store,
)
from pneumoscore.server.site import Site
from tests.server.conftest import PASSWORD, make_site
from tests.server.test_sign_in import csrf_of


def send(client: TestClient, data: bytes, name: str = "a.dcm", path: str = "/api/v1/films") -> int:
    headers = {"X-CSRF-Token": csrf_of(client), "X-Film-Name": name}
    return client.post(path, content=data, headers=headers).status_code


def done(client: TestClient, count: int = 1) -> list[dict[str, object]]:
    for _ in range(200):
        films: list[dict[str, object]] = client.get("/api/v1/films").json()
        if len(films) >= count and all(film["state"] != "waiting" for film in films):
            return films
        time.sleep(0.05)
    raise AssertionError(films)


def test_a_film_is_taken_scored_and_shown(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    assert send(client, b"film one", "Thorax%20M%C3%BCller.dcm") == 202
    (film,) = done(client)
    assert film["name"] == "Thorax Müller.dcm"
    assert film["state"] == "done"
    assert "Research use only" in film["notice"]
    page = client.get(f"/films/{film['id']}").text
    assert "Research use only" in page
    assert "Thorax Müller.dcm" in page
    view = client.get(f"/api/v1/films/{film['id']}/view").content
    assert np.frombuffer(view[:8], "<u4").tolist() == [40, 30]
    assert len(view) == 8 + 2 * 40 * 30
    table = client.get(f"/api/v1/films/{film['id']}/scores.csv").text
    assert table.splitlines()[1].startswith("geographic_extent,")


def test_a_film_that_is_none_says_so(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    send(client, b"bad bytes", "notes.txt")
    (film,) = done(client)
    assert (film["state"], film["reason"]) == ("failed", "unreadable")


def test_nobody_sees_anothers_film(browser: Callable[..., TestClient]) -> None:
    ada, root = browser("ada", Role.VIEWER), browser("root", Role.ADMINISTRATOR)
    send(ada, b"film one")
    number = done(ada)[0]["id"]
    assert root.get("/api/v1/films").json() == []
    for path in ("", "/view", "/map", "/scores.csv", "/report.pdf", "/report.dcm", "/capture.dcm"):
        assert root.get(f"/api/v1/films/{number}{path}").status_code == 404
    headers = {"X-CSRF-Token": csrf_of(root)}
    assert root.delete(f"/api/v1/films/{number}", headers=headers).status_code == 404
    assert ada.get(f"/api/v1/films/{number}").status_code == 200


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_leaves_nothing_on_the_disk(
    records: Records, tmp_path: Path, chunked: bool
) -> None:
    site = make_site(records, tmp_path, upload_bytes=1000)
    with TestClient(create_app(site), base_url="http://127.0.0.1") as client:
        create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        body = (b"x" * 300 for _ in range(10)) if chunked else b"x" * 3000
        headers = {"X-CSRF-Token": csrf_of(client)}
        assert client.post("/api/v1/films", content=body, headers=headers).status_code == 413
        assert client.post("/api/v1/films", content=b"", headers=headers).status_code == 400
        assert everything_in(tmp_path / "films") == []
        assert client.get("/api/v1/films").json() == []


def test_a_small_body_is_bounded_before_it_is_parsed(browser: Callable[..., TestClient]) -> None:
    client = browser("nobody")
    answer = client.post("/login", data={"name": "a", "password": "x" * 200_000})
    assert answer.status_code == 413
    for path in ("draw", "films/recorded", "films/", "films/x/films"):
        answer = client.post(f"/api/v1/studies/x/{path}", content=b" " * 200_000)
        assert answer.status_code == 413, path


def test_what_was_acknowledged_outlives_a_stop(records: Records, tmp_path: Path) -> None:
    create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    site = make_site(records, tmp_path)
    # Without the application's start no queue runs: the server dies before it scores.
    client = TestClient(create_app(site), base_url="http://127.0.0.1")
    client.post("/login", data={"name": "ada", "password": PASSWORD})
    assert send(client, b"film one") == 202
    site.films.writing("ab" * 16).write_bytes(b"half an upload")
    again = make_site(records, tmp_path)
    with TestClient(create_app(again), base_url="http://127.0.0.1") as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        (film,) = done(client)
    assert film["state"] == "done"
    assert not list((tmp_path / "films").rglob("*.part"))


def test_uploads_go_when_their_time_is_over(records: Records, tmp_path: Path) -> None:
    create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    site = make_site(records, tmp_path, keep=timedelta(seconds=-1))
    with TestClient(create_app(site), base_url="http://127.0.0.1") as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        send(client, b"film one")
        done(client)
        assert expire_uploads(records, site.films) == 1
        assert everything_in(tmp_path / "films") == []
        assert client.get("/api/v1/films").json() == []


def test_no_text_from_outside_becomes_a_path(tmp_path: Path) -> None:
    store = FilmStore(tmp_path / "films")
    for name in ("../../etc/passwd", "A" * 32, "", "0123", "0" * 31 + "/"):
        with pytest.raises(ValueError, match="hexadecimal"):
            store.path(name)
    assert (tmp_path / "films").stat().st_mode & 0o077 == 0


def test_a_film_is_for_its_owner_only(site: Site, browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    send(client, b"film one")
    number = str(done(client)[0]["id"])
    assert site.films.path(number).stat().st_mode & 0o077 == 0


def test_a_store_has_one_server(records: Records, tmp_path: Path) -> None:
    first, second = make_site(records, tmp_path), make_site(records, tmp_path)
    first.queue.start()
    with pytest.raises(PneumoScoreError, match="another server"):
        second.queue.start()
    first.queue.stop()
    second.queue.start()
    second.queue.stop()


def test_a_kill_between_record_and_place_keeps_the_film(records: Records, tmp_path: Path) -> None:
    account = create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    site = make_site(records, tmp_path)
    number, lost = "ab" * 16, "cd" * 16
    for begun in (number, lost):
        site.films.writing(begun).write_bytes(b"film one")
    site.films.derived(lost).mkdir()
    record_uploads(records, timedelta(1), account, [NewFilm(number, "a.dcm", "0" * 64)])
    recover_store(records, site.films)
    assert everything_in(tmp_path / "films") == [site.films.path(number)]
    assert not site.films.derived(lost).exists()
