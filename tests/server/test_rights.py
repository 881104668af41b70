"""Roles against end points: generated for every route, asked of the running server."""

import re
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from benchmarks.site_pages import FIRST_START, NOBODY, site_pages
from pneumoscore.server.accounts import Role
from pneumoscore.server.http.rights import RIGHTS, Right, may
from pneumoscore.server.sessions import Scope, Session
from pneumoscore.server.site import Site

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def ask(client: TestClient, method: str, path: str, **options: object) -> int:
    url = re.sub(r"\{position\}", "0", path)
    url = re.sub(r"\{\w+\}", "0123456789abcdef", url)
    return client.request(method, url, **options).status_code  # type: ignore[arg-type]


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_who_may_not_is_turned_away_from_every_end_point(
    browser: Callable[..., TestClient],
) -> None:
    nobody = browser("nobody")
    people = {role: browser(role.value, role) for role in Role}
    for (method, path), right in RIGHTS.items():
        if right.role is None or path == "/events":  # endless: its right is that of "/"
            continue
        expected = {401, 303} if method == "GET" else {401}
        assert ask(nobody, method, path) in expected, (method, path)
        for role, client in people.items():
            status = ask(client, method, path)
            if not role.includes(right.role):
                assert status == 403, (role, method, path)
            elif method != "GET":
                # It may, but the request brings no token of its own page.
                assert status == 403, (role, method, path)
            else:
                assert status not in (401, 403), (role, method, path, status)


def test_a_token_does_what_its_scopes_say_and_nothing_else(site: Site) -> None:
    del site
    for (method, path), right in RIGHTS.items():
        if right.role is None:
            continue
        for scope in Scope:
            session = Session(_administrator(), "", frozenset({scope}))
            assert may(right, session) == (right.scope is scope), (method, path, scope)
    assert may(Right(None), None)


def _administrator():  # type: ignore[no-untyped-def]
    from pneumoscore.server.accounts import Account

    return Account("0" * 16, "root", Role.ADMINISTRATOR)


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_headers_stand_on_every_answer(browser: Callable[..., TestClient]) -> None:
    client = browser("viewer", Role.VIEWER)
    for path in ("/", "/health", "/nowhere", "/api/v1/films", "/static/viewer.js"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] in ("no-store", "max-age=3600")


class Shown:
    """Stands for a browser's page: only its links are asked for."""

    def goto(self, url: str) -> None:
        del url

    def get_attribute(self, selector: str, name: str) -> str:
        del name
        return selector.split("'")[1] + "1"


def test_the_list_of_pages_has_every_page() -> None:
    people = dict.fromkeys((NOBODY, *(role.value for role in Role)), Shown())
    listed = site_pages(people, "http://127.0.0.1")
    for page in listed:
        role = RIGHTS["GET", page.end_point].role
        assert page.person == (NOBODY if role is None else role.value)
        assert re.fullmatch(re.sub(r"\{\w+\}", r"\\w+", page.end_point), page.path)
    files = re.compile(r"^/(api/|static/|login/)|\.\w+$|^/(events|health|metrics)$")
    pages = {path for method, path in RIGHTS if method == "GET" and not files.search(path)}
    assert {page.end_point for page in listed} | {FIRST_START} == pages


def test_the_page_of_roles_is_that_of_the_table() -> None:
    import importlib.util
    from pathlib import Path

    docs = Path(__file__).parents[2] / "docs"
    spec = importlib.util.spec_from_file_location("make_roles", docs / "make_roles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (docs / "roles.md").read_text(encoding="utf-8") == module.roles_page()
