"""A server killed while films come in, are scored and are read: nothing acknowledged is lost."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)
from tests.fixtures.records import _free_port as free_port
from tests.server.conftest import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Killed:
    """The command itself, started again after each kill."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = folder / "films"
        program = str(Path(sys.executable).with_name("pneumoscore"))
        options = ["--port", str(self.port), "--records", str(folder / "records.db")]
        self.command = [program, "serve", *options, "--store", str(self.store)]
        self.code = ""
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        assert "Research use only" in self.process.stderr.readline()
        if not self.code:
            found = re.search(r"Code: (\w+)", self.process.stderr.readline())
            assert found
            self.code = found[1]
        for _ in range(1200):
            try:
                if httpx2.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Person:
    """A signed-in person; the session outlives the server."""

    def __init__(self, server: Killed, name: str, code: str = "") -> None:
        self.client = httpx2.Client(base_url=server.url, timeout=60)
        form = {"name": name, "password": PASSWORD}
        if code:
            self.client.post("/setup", data={**form, "code": code})
        else:
            self.client.post("/login", data=form)
        page = self.client.get("/account").text
        self.csrf = page.split('name="csrf" content="', 1)[1].split('"', 1)[0]
        self.client.headers["X-CSRF-Token"] = self.csrf

    def form(self, path: str, **values: Any) -> httpx2.Response:
        return self.client.post(path, data={"csrf": self.csrf, **values})

    def send(self, data: bytes, path: str = "/api/v1/films") -> Any:
        answer = self.client.post(path, content=data, headers={"X-Film-Name": "f.dcm"})
        assert answer.status_code in (201, 202), answer.text
        return answer.json()

    def films(self) -> dict[str, Any]:
        return {film["id"]: film for film in self.client.get("/api/v1/films").json()}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Killed]:
    started = Killed(tmp_path)
    yield started
    started.kill()


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("phantoms")
    found = []
    for number in range(4):
        lung = LungDisease(0.2 * number, 0.5 if number else 0.0)
        spec = PhantomSpec(right=lung, left=lung, seed=number, size=512)
        at = datetime(2026, 1, 1 + number)
        write_phantom_dicom(render_phantom(spec), folder / "f.dcm", SyntheticPatient(), at)
        found.append((folder / "f.dcm").read_bytes())
    return found


def half_an_upload(server: Killed, person: Person) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    cookie = person.client.cookies["pneumoscore"]
    head = (
        f"POST /api/v1/films HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Cookie: pneumoscore={cookie}\r\nX-CSRF-Token: {person.csrf}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    connection.sendall(head.encode() + bytes(200_000))
    for _ in range(200):
        if any(path.stat().st_size for path in server.store.rglob("*.part")):
            return connection
        time.sleep(0.02)
    raise AssertionError("the upload did not begin")


def test_kills_lose_nothing_that_was_acknowledged(server: Killed, phantoms: list[bytes]) -> None:
    root = Person(server, "root", server.code)

    # During an upload: the half of it goes, what was acknowledged stays.
    acknowledged = [film["id"] for film in root.send(phantoms[0])["films"]]
    half = half_an_upload(server, root)
    server.kill()
    half.close()
    assert list(server.store.rglob("*.part"))
    server.start()
    assert list(root.films()) == acknowledged
    assert not list(server.store.rglob("*.part"))

    # During a scoring: the film waits and shows nothing, then has its whole result.
    acknowledged += [film["id"] for data in phantoms[1:] for film in root.send(data)["films"]]
    for _ in range(3000):
        if list(server.store.rglob("*.d/screen")):
            break
        time.sleep(0.01)
    server.kill()
    server.start()
    for film in root.films().values():
        assert (film["state"] == "done") == ("score" in film)
        if film["state"] == "waiting":
            assert root.client.get(f"/films/{film['id']}").status_code == 409
    for _ in range(1200):
        films = root.films()
        if all(film["state"] != "waiting" for film in films.values()):
            break
        time.sleep(0.05)
    assert sorted(films) == sorted(acknowledged)
    for number, film in films.items():
        assert film["state"] == "done", film
        for part in ("view?size=screen", "view?size=full", "map", "scores.csv"):
            answer = root.client.get(f"/api/v1/films/{number}/{part}")
            assert answer.status_code == 200
            assert len(answer.content) > 100

    # During a reading: the reader goes on at his film, his answers stand.
    root.form("/accounts", name="ben", role="reader", password=PASSWORD)
    made = root.form("/studies", name="Pilot")
    study = made.headers["location"].rsplit("/", 1)[1]
    for data in phantoms:
        root.send(data, f"/api/v1/studies/{study}/films")
    page = root.client.get(f"/studies/{study}").text
    reader = re.search(r'name="reader" value="(\w+)"> ben', page)
    assert reader
    root.form(f"/studies/{study}/options", repeats="0", sitting="0", hide_dates="true")
    root.form(f"/studies/{study}/readers", reader=reader[1])
    assert root.form(f"/studies/{study}/open").status_code == 303
    ben = Person(server, "ben")
    url = f"/api/v1/reading/{study}"
    answer = {"extent_right": 2, "extent_left": 1, "opacity_right": 1, "opacity_left": 1}
    for position in range(2):
        given = ben.client.put(f"{url}/items/{position}", json={**answer, "seconds": 2.5})
        assert given.status_code == 200, given.text
    shown = ben.client.get(f"{url}/items/2/films/0/view").content
    server.kill()
    server.start()
    progress = ben.client.get(f"{url}/progress").json()
    assert (progress["answered"], progress["next"], progress["done"]) == (2, 2, False)
    assert ben.client.get(f"{url}/items/2/films/0/view").content == shown
    kept = ben.client.get(f"{url}/items/1").json()["answer"]
    assert {name: kept[name] for name in answer} == answer
