"""Those who send too much, too slowly, or what hangs, stop nobody else."""

import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pneumoscore.errors import RecordsError
from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Account, Role, create_account
from pneumoscore.server.films.downloads import DownloadOrder
from pneumoscore.server.films.queue import FilmQueue
from pneumoscore.server.films.uploads import (
    NewFilm,
    count_waiting,
    finish_upload,
    list_uploads,
    record_uploads,
)
from pneumoscore.server.http import headers, patience
from pneumoscore.server.running import server_of
from pneumoscore.server.sessions import open_session, session_of
from pneumoscore.server.site import Site
from tests.fixtures.records import _free_port as free_port
from tests.server.conftest import RuleWorker, make_site
from tests.server.test_films import everything_in


class HangingWorker(RuleWorker):
    """Hangs on some films until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.hanging = threading.Semaphore(0)

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        if film.read_bytes().startswith(b"hang"):
            self.hanging.release()
            assert self.free.wait(60.0)
        return super().work(film, out)

    def make(self, order: DownloadOrder) -> str | None:
        self.hanging.release()
        assert self.free.wait(60.0)
        return "it hung"


def waiting_film(site: Site, account: Account, number: str, data: bytes) -> None:
    site.films.writing(number).write_bytes(data)
    record_uploads(
        site.records, site.options.keep, account, [NewFilm(number, number[:4], "0" * 64)]
    )
    site.films.keep(number)
    site.queue.wake()


def test_films_that_hang_leave_a_place_for_others(records: Records, tmp_path: Path) -> None:
    site = make_site(records, tmp_path)
    worker = HangingWorker()
    queue = FilmQueue(records, site.films, worker, site.bell, 2)
    ada, ben = (create_account(records, n, Role.VIEWER, None, actor="t") for n in ("ada", "ben"))
    for number in range(150):  # more than one look into the records finds
        waiting_film(site, ada, f"{number:032x}", b"hang %d" % number)
    queue.start()
    try:
        assert worker.hanging.acquire(timeout=20)
        assert worker.hanging.acquire(timeout=20)
        waiting_film(site, ben, "f" * 32, b"a film")
        queue.wake()
        for _ in range(200):
            if list_uploads(records, ben)[0].result is not None:
                break
            time.sleep(0.05)
        assert "score" in (list_uploads(records, ben)[0].result or {})
        assert not worker.hanging.acquire(timeout=0.2)  # no third of hers began
    finally:
        worker.free.set()
        queue.stop()


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """Give a PostgreSQL database another name for a while, and end its connections."""
    import pg8000.native

    host, port = url.rsplit("@", 1)[1].split("/")[0].split(":")
    name = url.rsplit("/", 1)[1]
    with pg8000.native.Connection("tests", host, "postgres", int(port)) as server:
        while True:
            server.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name",
                name=name,
            )
            with suppress(pg8000.native.DatabaseError):
                server.run(f"ALTER DATABASE {name} RENAME TO {name}_away")
                break
        try:
            yield
        finally:
            server.run(f"ALTER DATABASE {name}_away RENAME TO {name}")


@pytest.mark.postgresql
def test_films_are_taken_up_again_when_the_records_come_back(
    postgresql_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pneumoscore.server.films.queue._PATIENCE_SECONDS", 0.2)
    with Records.open(postgresql_url) as records:
        site = make_site(records, tmp_path)
        worker = HangingWorker()
        queue = FilmQueue(records, site.films, worker, site.bell, 1)
        ada = create_account(records, "ada", Role.VIEWER, None, actor="t")
        waiting_film(site, ada, "1" * 32, b"hang")
        waiting_film(site, ada, "2" * 32, b"a film")
        queue.start()
        try:
            assert worker.hanging.acquire(timeout=20)
            with database_away(postgresql_url):
                # One film is at work, the place beside it looks for the next.
                worker.free.set()
                wait_until(lambda: caplog.text.count("films wait until the records") >= 4)
            wait_until(lambda: all(it.result is not None for it in list_uploads(records, ada)))
            assert all("score" in (it.result or {}) for it in list_uploads(records, ada))
        finally:
            worker.free.set()
            queue.stop()


def test_a_film_is_scored_once_while_its_score_cannot_be_written(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscore.server.films.queue._PATIENCE_SECONDS", 0.05)
    genuine, refused = finish_upload, []

    def full(*details: Any) -> str:
        if len(refused) < 3:
            refused.append(details)
            raise RecordsError("the records cannot grow, the disk is full")
        return genuine(*details)

    monkeypatch.setattr("pneumoscore.server.films.queue.finish_upload", full)
    site = make_site(records, tmp_path)
    worker = CountingWorker()
    queue = FilmQueue(records, site.films, worker, site.bell, 1)
    ada = create_account(records, "ada", Role.VIEWER, None, actor="t")
    waiting_film(site, ada, "1" * 32, b"a film")
    queue.start()
    try:
        wait_until(lambda: list_uploads(records, ada)[0].result is not None)
    finally:
        queue.stop()
    assert len(refused) == 3
    assert worker.count == 1


class FaultyWorker(RuleWorker):
    """Fails of itself at some films, always or at first."""

    def __init__(self) -> None:
        self.tries: Counter[bytes] = Counter()

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        data = film.read_bytes()
        self.tries[data] += 1
        if data.startswith(b"fault") or (data.startswith(b"passing") and self.tries[data] < 3):
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return super().work(film, out)


def test_a_fault_of_ours_is_tried_again_and_then_said(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscore.server.films.queue._PATIENCE_SECONDS", 0.0)
    site = make_site(records, tmp_path)
    worker = FaultyWorker()
    queue = FilmQueue(records, site.films, worker, site.bell, 1)
    ada = create_account(records, "ada", Role.VIEWER, None, actor="t")
    films = (b"fault", b"passing fault", b"a film")
    for number, data in enumerate(films):
        waiting_film(site, ada, f"{number:032x}", data)
    queue.start()
    try:
        wait_until(lambda: all(it.result is not None for it in list_uploads(records, ada)))
    finally:
        queue.stop()
    found = {it.id: it.result or {} for it in list_uploads(records, ada)}
    failed, passed, scored = (found[f"{number:032x}"] for number in range(3))
    assert failed["reason"] == "internal"
    assert "report it" in failed["error"]
    assert "score" in passed
    assert "score" in scored
    assert worker.tries == {b"fault": 3, b"passing fault": 3, b"a film": 1}


def test_films_that_cannot_be_finished_leave_the_way_to_others(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumoscore.server.films.queue._PATIENCE_SECONDS", 0.0)
    genuine = finish_upload

    def faulty(records: Records, number: str, result: dict[str, Any]) -> str:
        if number != "f" * 32:
            raise ValueError("a fault")
        return genuine(records, number, result)

    monkeypatch.setattr("pneumoscore.server.films.queue.finish_upload", faulty)
    site = make_site(records, tmp_path)
    queue = FilmQueue(records, site.films, RuleWorker(), site.bell, 1)
    ada, ben = (create_account(records, n, Role.VIEWER, None, actor="t") for n in ("ada", "ben"))
    for number in range(110):  # more than one look into the records finds
        waiting_film(site, ada, f"{number:032x}", b"film %d" % number)
    waiting_film(site, ben, "f" * 32, b"a film")
    queue.start()
    try:
        wait_until(lambda: list_uploads(records, ben)[0].result is not None)
        wait_until(lambda: len(queue._given_up) == 110)
        waiting_film(site, ada, "e" * 32, b"one more")
        wait_until(lambda: "e" * 32 in queue._given_up)
    finally:
        queue.stop()
    assert count_waiting(records) == 111


def test_what_became_of_a_film_stays(records: Records, tmp_path: Path) -> None:
    site = make_site(records, tmp_path)
    ada = create_account(records, "ada", Role.VIEWER, None, actor="t")
    waiting_film(site, ada, "1" * 32, b"a film")
    for reason in ("unreadable", "internal"):
        finish_upload(records, "1" * 32, {"error": "it failed", "reason": reason})
    (film,) = list_uploads(records, ada)
    assert film.result == {"error": "it failed", "reason": "unreadable"}


class CountingWorker(RuleWorker):
    count = 0

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        self.count += 1
        return super().work(film, out)


def wait_until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 30.0
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextmanager
def serving(site: Site) -> Iterator[str]:
    """Serve a site by the server that the command line starts."""
    server = server_of(site)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{site.options.port}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)


def signed_in(site: Site, name: str) -> dict[str, str]:
    account = create_account(site.records, name, Role.VIEWER, None, actor="test")
    secret = open_session(site.records, account, site.options.session)
    session = session_of(site.records, secret, site.options.idle)
    assert session is not None
    return {"Cookie": f"pneumoscore={secret}", "X-CSRF-Token": session.csrf}


@pytest.fixture
def site(records: Records, tmp_path: Path) -> Site:
    return make_site(records, tmp_path, port=free_port(), upload_bytes=100_000)


def closed_after(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes; a reset counts as closed."""
    connection.settimeout(20.0)
    told = b""
    try:
        while piece := connection.recv(65536):
            told += piece
    except ConnectionResetError:
        pass
    return told


def request_head(told: dict[str, str], length: int) -> bytes:
    head = f"POST /api/v1/films HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{head}\r\n".encode()


def test_slow_clients_are_let_go_and_others_are_served(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(patience, "BODY_SECONDS", 1.0)
    monkeypatch.setattr(headers, "BODY_SECONDS", 1.0)
    here = ("127.0.0.1", site.options.port)
    with serving(site) as url:
        told = signed_in(site, "ada")
        silent = [socket.create_connection(here) for _ in range(5)]
        half_a_head = [socket.create_connection(here) for _ in range(5)]
        for connection in half_a_head:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        form = socket.create_connection(here)
        form.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nname=")
        asked = socket.create_connection(here)
        asked.sendall(
            b"POST /api/v1/studies/x/draw HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        )
        film = socket.create_connection(here)
        film.sendall(request_head(told, 5000) + b"half a film")
        kept_alive = httpx2.Client()
        for _ in range(3):
            assert kept_alive.get(f"{url}/health").status_code == 200
        for connection in (*silent, *half_a_head):
            assert closed_after(connection) == b""
        assert closed_after(form).startswith(b"HTTP/1.1 408")
        assert closed_after(asked).startswith(b"HTTP/1.1 408")
        assert b"408" in closed_after(film)[:40]
        assert kept_alive.get(f"{url}/health").status_code == 200
        assert httpx2.get(f"{url}/api/v1/films", headers=told).json() == []
    assert everything_in(site.films.folder) == []


def test_one_address_opens_so_many_connections_that_say_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_HEADLESS", 20)
    with serving(site):
        opened = [socket.create_connection(("127.0.0.1", site.options.port)) for _ in range(40)]
        time.sleep(1.0)
        closed = 0
        for connection in opened:
            connection.setblocking(False)
            try:
                closed += connection.recv(1) == b""
            except BlockingIOError:
                continue
        assert closed == 20
        for connection in opened:
            connection.close()


def test_what_is_too_large_is_refused_while_it_streams(site: Site) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield bytes(65536)

    with serving(site) as url:
        told = signed_in(site, "ada")
        declared = socket.create_connection(("127.0.0.1", site.options.port))
        declared.sendall(request_head(told, 2 * 2**30) + b"the first bytes")
        assert closed_after(declared).startswith(b"HTTP/1.1 413")
        try:
            status = httpx2.post(f"{url}/api/v1/films", headers=told, content=endless()).status_code
        except httpx2.WriteError:
            status = 413  # it closed before all was sent, as it should
        assert status == 413
        assert everything_in(site.films.folder) == []
        assert httpx2.get(f"{url}/health").status_code == 200


def test_a_film_that_is_called_a_form_is_not_read_whole_for_its_token(site: Site) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with serving(site) as url:
        told = signed_in(site, "ada")
        forged = socket.create_connection(("127.0.0.1", site.options.port))
        forged.sendall(request_head({"Cookie": told["Cookie"], **kind}, 90_000) + b"csrf=")
        assert closed_after(forged).startswith(b"HTTP/1.1 403")
        sent = httpx2.post(f"{url}/api/v1/films", headers={**told, **kind}, content=b"a film")
        assert sent.status_code == 202


def test_downloads_that_hang_block_no_page(records: Records, tmp_path: Path) -> None:
    site = make_site(records, tmp_path, port=free_port())
    worker = HangingWorker()
    site.queue._worker = worker
    with serving(site) as url:
        told = signed_in(site, "ada")
        sent = httpx2.post(f"{url}/api/v1/films", headers=told, content=b"a film").json()
        film = sent["films"][0]["id"]
        while httpx2.get(f"{url}/api/v1/films", headers=told).json()[0]["state"] == "waiting":
            time.sleep(0.05)
        path = f"{url}/api/v1/films/{film}/report.pdf"
        asked = [
            threading.Thread(
                target=httpx2.get, args=(path,), kwargs={"headers": told, "timeout": 90}
            )
            for _ in range(60)
        ]
        for thread in asked:
            thread.start()
        for _ in range(4):
            assert worker.hanging.acquire(timeout=30)
        for page in ("/", "/model", "/account", "/api/v1/films"):
            assert httpx2.get(f"{url}{page}", headers=told, timeout=30).status_code == 200
        worker.free.set()
        for thread in asked:
            thread.join(timeout=60)
