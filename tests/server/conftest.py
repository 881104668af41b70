"""A site to test: real records, a real queue, and a worker that scores phantoms by rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account
from pneumoscore.server.app import create_app
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.films.downloads import DownloadOrder
from pneumoscore.server.films.expand import Bounds, Expanded, expand_archive
from pneumoscore.server.films.queue import FilmQueue
from pneumoscore.server.films.recording import record_scored
from pneumoscore.server.films.work import view_bytes
from pneumoscore.server.live import Bell
from pneumoscore.server.metrics import Metrics
from pneumoscore.server.options import ServerOptions
from pneumoscore.server.site import Site
from tests.fixtures.records import (  # noqa: F401
    film_record,
    postgresql_server,
    postgresql_url,
)

PASSWORD = "correct horse battery"


class RuleWorker:
    """Scores by the bytes of a film: quick, and different for each film."""

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        data = film.read_bytes()
        if data.startswith(b"bad"):
            return {"error": "it is no film", "reason": "unreadable"}
        number = int(hashlib.sha256(data).hexdigest(), 16)
        out.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number % 2**32).random((40, 30), dtype=np.float32)
        (out / "screen").write_bytes(view_bytes(pixels))
        (out / "full").write_bytes(view_bytes(pixels))
        extent, opacity = (number % 71 + 5) / 10.0, (number % 61) / 10.0
        parts = {"low": 0.0, "high": 8.0, "level": 0.9, "right": 0.0}
        return {
            "pixels_sha256": hashlib.sha256(data.rstrip(b"\n")).hexdigest(),
            "film_digest": hashlib.sha256(b"float " + data).hexdigest(),
            "likeness": "",
            "record": film_record(
                f"MRN-{number % 7}", number % 28, extent, film_uid=f"1.2.{number % 10**9}"
            ),
            "model_sha256": "0" * 64,
            "metadata": {
                "patient_id": f"MRN-{number % 7}",
                "sop_instance_uid": f"1.2.{number % 10**9}",
                "study_instance_uid": None,
                "view": "AP",
                "acquired_at": f"2026-03-{number % 28 + 1:02d}T08:00:00",
                "rows": 40,
                "columns": 30,
                "notices": [],
            },
            "score": {
                "scores": {
                    "geographic_extent": {**parts, "value": extent, "left": extent},
                    "opacity": {**parts, "high": 6.0, "value": opacity, "left": opacity},
                },
                "flags": [],
                "model": {"name": "rule", "version": "1", "backbone": "none", "sha256": "0" * 64},
                "notice": "",
            },
        }

    def take_out(self, archive: Path, out: Path, bounds: Bounds) -> Expanded:
        return expand_archive(archive, out, bounds)

    def make(self, order: DownloadOrder) -> str | None:
        order.out.write_bytes(order.kind.value.encode())
        return None

    def close(self) -> None:
        return


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site on each database."""
    place = tmp_path / "records.db"
    if request.param == "postgresql":
        place = request.getfixturevalue("postgresql_url")
    with Records.open(place) as records:
        yield make_site(records, tmp_path)


def make_site(records: Records, folder: Path, **options: Any) -> Site:
    store = FilmStore(folder / "films")
    bell = Bell()
    queue = FilmQueue(records, store, RuleWorker(), bell, 1, record=partial(record_scored, records))
    return Site(
        ServerOptions(store.folder, **options), records, store, queue, bell, Metrics(), "setup-code"
    )


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Records in an SQLite file."""
    with Records.open(tmp_path / "records.db") as opened:
        yield opened


@pytest.fixture
def browser(site: Site) -> Iterator[Callable[..., TestClient]]:
    """Makes a signed-in browser of a role; the first one starts the server."""
    app = create_app(site)
    clients: list[TestClient] = []

    def sign_in(name: str, role: Role | None = None) -> TestClient:
        client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        if not clients:
            client.__enter__()
        clients.append(client)
        if role is not None:
            create_account(site.records, name, role, PASSWORD, actor="test")
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
        return client

    yield sign_in
    if clients:
        clients[0].__exit__(None, None, None)
