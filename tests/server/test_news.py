"""News to pages: who listens, how many may, when it ends, and what it says."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from pneumoscore.records.database import Records
from pneumoscore.records.writing import add_films
from pneumoscore.server.accounts import Role, account_named, change_account
from pneumoscore.server.app import create_app
from pneumoscore.server.follow.news import RecordsWatch
from pneumoscore.server.http import live
from pneumoscore.server.live import Bell, TooManyListenersError
from pneumoscore.server.sessions import session_of
from pneumoscore.server.site import Site
from tests.fixtures.records import film_record
from tests.server.conftest import make_site
from tests.server.test_sign_in import csrf_of


def test_an_account_listens_at_a_bounded_number_of_places() -> None:
    bell = Bell(each=2, together=3)
    with bell.listening("ada"), bell.listening("ada"):
        with pytest.raises(TooManyListenersError, match="at most 2 and 3"):
            bell.listening("ada").__enter__()
        with bell.listening("ben"), pytest.raises(TooManyListenersError):
            bell.listening("cem").__enter__()
        assert bell.listeners == 2
    assert bell.listeners == 0


def test_one_page_too_many_is_told_so(site: Site, browser: Callable[..., TestClient]) -> None:
    viewer = browser("viewer", Role.VIEWER)
    account = account_named(site.records, "viewer")
    assert account is not None
    with contextlib_stack([site.bell.listening(account.id) for _ in range(6)]):
        answer = viewer.get("/events")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"


def contextlib_stack(managers: list[Any]) -> Any:
    from contextlib import ExitStack

    stack = ExitStack()
    for manager in managers:
        stack.enter_context(manager)
    return stack


async def heard(site: Site, client: TestClient, count: int, act: Callable[[], None]) -> list[str]:
    """Return the first words of a stream; `act` is done after the first."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "headers": [(b"cookie", cookie.encode())],
            "query_string": b"",
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "app": client.app,
            "route": SimpleNamespace(path="/events"),
        },
        receive=_never,
    )
    words: list[str] = []
    async for word in live._changes(request, site):
        words.append(word)
        if len(words) == 1:
            act()
        if len(words) == count:
            break
    return words


def test_a_watch_goes_on_after_an_error(
    records: Records, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Records] = []

    def faulty(of: Records) -> int:
        asked.append(of)
        if len(asked) == 1:
            raise OSError("the connection is lost")
        return len(asked)

    monkeypatch.setattr("pneumoscore.server.follow.news.latest_entry", faulty)
    bell = Bell()
    watch = RecordsWatch(records, bell, seconds=0.01)
    with bell.listening("ada"):
        watch.start()
        try:
            end = time.monotonic() + 20.0
            while len(asked) < 3:
                assert time.monotonic() < end
                time.sleep(0.01)
        finally:
            watch.stop()
    assert caplog.text.count("pages hear of news later: the connection is lost") == 1


async def _never() -> Any:
    await asyncio.sleep(3600)


def test_a_stream_says_that_something_is_new_and_ends_with_the_session(
    site: Site, browser: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(live, "_LEAST_SECONDS", 0.0)
    viewer, other = browser("viewer", Role.VIEWER), browser("other", Role.VIEWER)

    def listen(client: TestClient, count: int, act: Callable[[], None]) -> list[str]:
        return asyncio.run(heard(site, client, count, act))

    assert listen(viewer, 2, site.bell.ring) == [": listening\n\n", "event: change\ndata: \n\n"]
    assert listen(viewer, 3, lambda: None)[1:] == [": still here\n\n"] * 2

    def sign_out() -> None:
        assert viewer.post("/logout", data={"csrf": csrf_of(viewer)}).status_code == 303
        site.bell.ring()

    # The ring after signing out is not heard any more: the stream ends.
    assert listen(viewer, 5, sign_out)[1:] == ["event: end\ndata: \n\n"]

    def disable() -> None:
        account = account_named(site.records, "other")
        assert account is not None
        change_account(site.records, account, actor="root", disabled=True)

    from pneumoscore.server.accounts import create_account

    create_account(site.records, "root", Role.ADMINISTRATOR, "a long password", actor="test")
    assert listen(other, 5, disable)[1:] == ["event: end\ndata: \n\n"]


def test_what_a_page_asks_by_itself_keeps_no_session_open(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumoscore.server import sessions
    from pneumoscore.server.accounts import create_account
    from pneumoscore.server.sessions import open_session

    make_site(records, tmp_path)
    account = create_account(records, "ada", Role.VIEWER, "a long password", actor="test")
    secret = open_session(records, account, timedelta(hours=1))
    start, idle = sessions.now(), timedelta(minutes=10)
    for minutes, used, holds in ((8, False, True), (9, True, True), (18, False, True),
                                 (20, True, False)):  # fmt: skip
        monkeypatch.setattr(sessions, "now", lambda at=minutes: start + timedelta(minutes=at))
        assert (session_of(records, secret, idle, used=used) is not None) == holds, minutes


def test_a_live_look_leaves_the_session_as_idle_as_it_is(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumoscore.server import sessions
    from pneumoscore.server.accounts import create_account

    site = make_site(records, tmp_path, idle=timedelta(minutes=10))
    account = create_account(records, "ada", Role.VIEWER, None, actor="test")
    start = sessions.now()
    for header, last in (({"X-Live": "1"}, 401), ({}, 200)):
        monkeypatch.setattr(sessions, "now", lambda: start)
        secret = sessions.open_session(records, account, site.options.session)
        told = {"Cookie": f"pneumoscore={secret}", **header}
        client = TestClient(create_app(site), base_url="http://127.0.0.1")
        for minutes, status in ((8, 200), (16, last)):
            monkeypatch.setattr(sessions, "now", lambda at=minutes: start + timedelta(minutes=at))
            assert client.get("/api/v1/films", headers=told).status_code == status


def test_films_that_others_record_ring_the_bell(records: Records) -> None:
    rings: list[int] = []

    class Counted(Bell):
        def ring(self) -> None:
            rings.append(self.count)
            super().ring()

    bell = Counted()
    watch = RecordsWatch(records, bell, seconds=0.02)
    watch.start()
    try:
        add_films(records, [film_record("a")], source="listener")
        wait_until(lambda: not rings)
        with bell.listening("ada"):
            wait_until(lambda: len(rings) == 1)  # what came before it listened
            add_films(records, [film_record("b")], source="listener")
            wait_until(lambda: len(rings) == 2)
            with records.writing() as connection:
                from pneumoscore.records.rows import add_audit

                add_audit(connection, "ada", "signed_in", {})
            add_films(records, [film_record("c")], source="listener")
            wait_until(lambda: len(rings) == 3)
    finally:
        watch.stop()


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    import time

    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)
