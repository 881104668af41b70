"""ZIP files of a study: their films taken, the bad ones named, bombs refused."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.app import create_app
from pneumoscore.server.films.expand import Bounds, expand_archive
from pneumoscore.server.films.worker import ProcessWorker
from tests.server.conftest import PASSWORD, make_site
from tests.server.test_films import done, everything_in
from tests.server.test_sign_in import csrf_of

DICOM = b"\0" * 128 + b"DICM"


def zip_of(members: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def post(client: TestClient, data: bytes, name: str = "study.zip") -> Any:
    headers = {"X-CSRF-Token": csrf_of(client), "X-Film-Name": name}
    return client.post("/api/v1/films", content=data, headers=headers)


def test_the_films_of_a_study_are_taken_and_a_bad_one_is_named(
    browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    client = browser("ada", Role.VIEWER)
    members = {
        "DICOMDIR": DICOM + b"list",
        "DICOM/IM1": DICOM + b"one",
        "DICOM/IM2": DICOM + b"two" * 5000,
        "../../etc/cron.d/evil.dcm": DICOM + b"three",
        "viewer.exe": b"MZ",
        "inner.zip": zip_of({"hidden.dcm": DICOM}),
        "IM4.png": b"bad bytes",
    }
    data = bytearray(zip_of(members, zipfile.ZIP_STORED))
    at = data.index(b"two" * 5000)
    data[at : at + 3] = b"TWO"  # its checksum no longer fits
    answer = post(client, bytes(data), "M%C3%BCller.zip")
    assert answer.status_code == 202
    assert answer.json()["passed_over"] == {"DICOMDIR": 1, "no image": 2}
    films = {str(film["name"]): film for film in done(client, 4)}
    assert {name: film["state"] for name, film in films.items()} == {
        "Müller.zip/DICOM/IM1": "done",
        "Müller.zip/DICOM/IM2": "failed",
        "Müller.zip/../../etc/cron.d/evil.dcm": "done",
        "Müller.zip/IM4.png": "failed",
    }
    assert films["Müller.zip/DICOM/IM2"]["reason"] == "unreadable"
    # Lists show them in the archive's order; nothing lies where a name pointed.
    assert [film["name"] for film in client.get("/api/v1/films").json()] == list(films)
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_a_dicomdir_alone_holds_no_film(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    answer = post(client, DICOM + b"list", "DICOMDIR")
    assert answer.json() == {"films": [], "passed_over": {"DICOMDIR": 1}}
    assert client.get("/api/v1/films").json() == []


@pytest.mark.parametrize(
    ("members", "bounds"),
    [
        ({f"{n}.dcm": DICOM for n in range(4)}, {"archive_films": 3}),
        ({f"{n}.txt": b"" for n in range(61)}, {"archive_films": 3}),
        ({f"{n}.dcm": DICOM + bytes(9000) for n in range(4)}, {"archive_bytes": 30_000}),
        ({"bomb.dcm": DICOM + bytes(10**6)}, {"archive_bytes": 30_000}),
        ({f"{n}.dcm": DICOM + bytes(10**6) for n in range(9)}, {"archive_bytes": 150_000}),
    ],
)
def test_an_archive_over_its_bounds_leaves_nothing(
    records: Records, tmp_path: Path, members: dict[str, bytes], bounds: dict[str, int]
) -> None:
    create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    site = make_site(records, tmp_path, upload_bytes=50_000, **bounds)
    with TestClient(create_app(site), base_url="http://127.0.0.1") as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        assert post(client, zip_of(members)).status_code == 413
        assert client.get("/api/v1/films").json() == []
        assert everything_in(tmp_path / "films") == []


def test_one_film_that_unpacks_to_too_much_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "study.zip"
    archive.write_bytes(zip_of({"a.dcm": DICOM, "bomb.dcm": DICOM + bytes(10**6), "c.dcm": DICOM}))
    found = expand_archive(archive, tmp_path / "out", Bounds(10, 1000, 10**6))
    assert [member.file for member in found.members] == ["0", None, "2"]
    assert "at most 1,000 bytes" in str(found.members[1].error)


def test_a_contents_table_that_lies_costs_its_process_at_most(tmp_path: Path) -> None:
    worker = ProcessWorker(None, 20.0)
    bombs = {
        "many.zip": zip_of({f"{n:05d}": b"" for n in range(30_000)}),
        "cut.zip": zip_of({"a.dcm": DICOM})[:-30],
        "none.zip": b"PK\x03\x04" + bytes(100),
    }
    try:
        for name, data in bombs.items():
            (tmp_path / name).write_bytes(data)
            out = tmp_path / f"{name}.d"
            found = worker.take_out(tmp_path / name, out, Bounds(200, 1000, 10**6))
            assert found.refused or found.members[0].error
            assert not out.exists()
    finally:
        worker.close()


def test_the_store_has_room_for_so_much(records: Records, tmp_path: Path) -> None:
    create_account(records, "ada", Role.VIEWER, PASSWORD, actor="test")
    site = make_site(records, tmp_path, stored_bytes=1000)
    with TestClient(create_app(site), base_url="http://127.0.0.1") as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        assert post(client, b"x" * 900, "a.dcm").status_code == 202
        assert post(client, b"x" * 2000, "b.dcm").status_code == 413
        assert len(client.get("/api/v1/films").json()) == 1
