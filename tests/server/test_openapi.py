"""The whole API as its document says, asked of a running server by schemathesis."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import FailureGroup

from pneumoscore.records.database import Records
from pneumoscore.server.accounts import Role, create_account, list_accounts
from pneumoscore.server.app import create_app
from pneumoscore.server.http.document import document
from pneumoscore.server.http.rights import RIGHTS, may
from pneumoscore.server.sessions import Session, open_session, session_of
from pneumoscore.server.site import Site
from tests.fixtures.records import _free_port as free_port
from tests.server.conftest import make_site

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
EXAMPLES = 6
ENDS_SESSIONS = ("/logout", "/account/password", "/accounts/{account}")


@dataclass
class Served:
    """A running server and its document."""

    url: str
    site: Site
    schema: Any

    def signed_in(self, role: Role) -> tuple[Session, dict[str, str]]:
        """Return a session of a new account, and the headers that bring it along."""
        name = f"{role.value} {time.monotonic_ns()}"
        account = create_account(self.site.records, name, role, None, actor="test")
        secret = open_session(self.site.records, account, self.site.options.session)
        session = session_of(self.site.records, secret, self.site.options.idle)
        assert session is not None
        return session, {"Cookie": f"pneumoscore={secret}", "X-CSRF-Token": session.csrf}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with Records.open(folder / "records.db") as records:
        site = make_site(records, folder)
        create_account(records, "root", Role.ADMINISTRATOR, None, actor="test")
        app = create_app(site)
        port = free_port()
        server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="on")
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield Served(
            f"http://127.0.0.1:{port}", site, schemathesis.openapi.from_dict(document(app))
        )
        server.should_exit = True
        thread.join(timeout=60)


def examples(served: Served, count: int) -> Iterator[tuple[tuple[str, str], list[Any]]]:
    """Yield each operation with so many requests that fit its document."""
    for found in served.schema.get_all_operations():
        operation = found.ok()
        yield (operation.method.upper(), operation.path), drawn(operation.as_strategy(), count)


def drawn(strategy: Any, count: int) -> list[Any]:
    cases: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(case: Any) -> None:
        cases.append(case)

    draw()
    return cases


def test_the_document_has_every_route_and_its_rights(served: Served) -> None:
    described = {key for key, _ in examples(served, 1)}
    hidden = {("GET", "/api/v1/openapi.json"), ("GET", "/events"), ("GET", "/static/base.css")}
    assert described == set(RIGHTS) - hidden


def things_of(served: Served, headers: dict[str, str]) -> dict[str, object]:
    """Return a film, a study and others that the administrator has, by parameter."""
    ask = requests.Session()
    ask.headers.update(headers)
    sent = ask.post(f"{served.url}/api/v1/films", data=b"a film that is there", timeout=60)
    form = {"name": f"Study {time.monotonic_ns()}"}
    study = ask.post(f"{served.url}/studies", data=form, timeout=60, allow_redirects=False)
    root = next(a.id for a in list_accounts(served.site.records) if a.name == "root")
    while ask.get(f"{served.url}/api/v1/films", timeout=60).json()[0]["state"] == "waiting":
        time.sleep(0.05)
    return {
        "film": sent.json()["films"][0]["id"],
        "study": study.headers["location"].rsplit("/", 1)[1],
        "account": root,
        "patient": 1,
    }


def faults(served: Served, case: Any, headers: dict[str, str]) -> tuple[int, list[str]]:
    """Ask once; return the status and what does not fit the document."""
    options = {"base_url": served.url, "timeout": 60.0, "allow_redirects": False}
    answer = case.call(headers=headers, **options)
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        told = f"{case.method} {case.operation.path} answered {answer.status_code}"
        return answer.status_code, [f"{told}: {fault}" for fault in group.exceptions]
    return answer.status_code, []


def test_no_answer_is_undocumented_and_nothing_is_read_without_rights(served: Served) -> None:
    people = {role: served.signed_in(role) for role in (Role.VIEWER, Role.ADMINISTRATOR)}
    problems: list[str] = []
    asked = 0
    there = things_of(served, people[Role.ADMINISTRATOR][1])
    for key, cases in examples(served, EXAMPLES):
        for case in cases[::2]:  # every second request is about something that is there
            known = {name: there[name] for name in case.path_parameters or {} if name in there}
            case.path_parameters = {**(case.path_parameters or {}), **known}
        for role in (None, *people):
            for case in cases:
                session, headers = (None, {}) if role is None else people[role]
                status, found = faults(served, case, headers)
                problems += found
                asked += 1
                turned_away = (401, 303) if session is None else (401, 403)
                if not may(RIGHTS[key], session) and status not in turned_away:
                    problems.append(f"{key} answers {role} with {status}")
                if role is not None and key[1] in ENDS_SESSIONS:
                    people[role] = served.signed_in(role)
    assert problems == []
    assert asked > 3 * len(RIGHTS)
