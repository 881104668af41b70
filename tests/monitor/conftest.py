"""Records on SQLite and on a real PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.records.database import Records
from pneumoscore.monitor.records.types import FilmRecord, ScaleValue
from pneumoscore.severity.score import ModelIdentity

MODEL = ModelIdentity("tiny", "1", "backbone 1", "a" * 64)
NEWER = ModelIdentity("tiny", "2", "backbone 1", "b" * 64)
START = datetime(2026, 1, 1, 8)


def film_record(
    patient: str = "p", day: float = 0.0, extent: float = 3.0, **changes: Any
) -> FilmRecord:
    values = {
        "patient": patient,
        "film_uid": f"{patient}.{day:g}",
        "study_uid": f"s.{patient}.{day:g}",
        "taken_at": START + timedelta(days=day),
        "model": MODEL,
        "view": "AP",
        "values": (
            ScaleValue("geographic_extent", extent, extent, extent - 1, extent + 1, 0.9, 1.0, 2.0),
            ScaleValue("opacity", extent / 2, extent / 2),
        ),
    }
    return FilmRecord(**{**values, **changes})


@pytest.fixture(scope="session")
def record() -> Callable[..., FilmRecord]:
    """Makes a film's record."""
    return film_record


@pytest.fixture(scope="session")
def newer_model() -> ModelIdentity:
    return NEWER


@pytest.fixture(scope="session")
def errors() -> ErrorModel:
    """An error model that is larger in the middle of the scale."""
    return ErrorModel(
        MODEL.name,
        MODEL.version,
        MODEL.sha256,
        {
            "geographic_extent": ScaleError((0.0, 4.0, 8.0), (0.3, 0.5, 0.3)),
            "opacity": ScaleError((0.0, 3.0, 6.0), (0.2, 0.35, 0.2)),
        },
    )


def _server_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """URL of a private server, without a database's name."""
    programs = _server_programs()
    if programs is None:
        message = "no PostgreSQL server: initdb was not found"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = Path(tempfile.mkdtemp(prefix="pneumoscore-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data, port = folder / "data", _free_port()

    def call(*command: str) -> None:
        subprocess.run(
            [*as_user, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120
        )

    call(
        str(programs / "initdb"), "-D", str(data), "-U", "tests", "-A", "trust", "-E", "UTF8",
        "--no-sync",
    )  # fmt: skip
    # Without fsync: these tests kill clients, never the server.
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    )
    control = (str(programs / "pg_ctl"), "-D", str(data), "-w")
    call(*control, "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://tests@127.0.0.1:{port}"
    finally:
        call(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _new_database(postgresql_server: str) -> str:
    import pg8000.native

    host, port = postgresql_server.rsplit("@", 1)[1].split(":")
    name = f"t{uuid.uuid4().hex}"
    with pg8000.native.Connection("tests", host, "postgres", int(port)) as connection:
        connection.run(f"CREATE DATABASE {name}")
    return f"{postgresql_server}/{name}"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """URL of an empty database."""
    return _new_database(postgresql_server)


@pytest.fixture
def second_postgresql_url(postgresql_server: str) -> str:
    """URL of another empty database."""
    return _new_database(postgresql_server)


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where records can be made, on either database."""
    if request.param == "sqlite":
        return str(tmp_path / "records.db")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def records(place: str) -> Iterator[Records]:
    with Records.open(place) as opened:
        yield opened
