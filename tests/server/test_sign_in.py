"""Signing in, the first administrator, tokens, forged requests."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from pneumoscore.server.accounts import Role, account_named, create_account
from pneumoscore.server.errors import AccountError
from pneumoscore.server.http.sign_in import inside
from pneumoscore.server.site import Site
from tests.server.conftest import PASSWORD


def csrf_of(client: TestClient, path: str = "/account") -> str:
    text = client.get(path).text
    return text.split('name="csrf" content="', 1)[1].split('"', 1)[0]


def test_the_first_administrator_needs_the_printed_code(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    client = browser("nobody")
    assert client.get("/health").json() == {"status": "ok", "set_up": False}
    assert client.get("/login").headers["location"] == "/setup"
    form = {"code": "guess", "name": "root", "password": PASSWORD}
    assert client.post("/setup", data=form).status_code == 403
    assert (
        client.post("/setup", data={**form, "code": "setup-code", "password": "short"}).status_code
        == 400
    )
    assert client.post("/setup", data={**form, "code": "setup-code"}).status_code == 303
    assert account_named(site.records, "root").role is Role.ADMINISTRATOR
    assert client.get("/").status_code == 200
    assert client.get("/setup").status_code == 404
    assert (
        client.post("/setup", data={**form, "code": "setup-code", "name": "evil"}).status_code
        == 404
    )


def test_wrong_passwords_are_refused_and_bounded_before_they_are_hashed(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    create_account(site.records, "ada", Role.VIEWER, PASSWORD, actor="test")
    client = browser("nobody")
    tries = [
        client.post("/login", data={"name": "ada", "password": f"wrong {n}"}) for n in range(12)
    ]
    assert [answer.status_code for answer in tries] == [401] * 10 + [429] * 2
    assert int(tries[-1].headers["retry-after"]) > 0
    right = client.post("/login", data={"name": "ada", "password": PASSWORD})
    assert right.status_code == 429


def test_an_address_that_may_not_try_any_more_keeps_no_name_out(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    create_account(site.records, "ada", Role.VIEWER, PASSWORD, actor="test")
    client = browser("nobody")
    while site.addresses.wait("testclient") == 0.0:
        pass
    for number in range(12):
        tried = client.post("/login", data={"name": "ada", "password": f"wrong {number}"})
        assert tried.status_code == 429
    site.addresses.forget("testclient")
    right = client.post("/login", data={"name": "ada", "password": PASSWORD})
    assert right.status_code == 303


def test_a_request_of_another_sites_page_changes_nothing(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    client = browser("root", Role.ADMINISTRATOR)
    form = {"name": "eve", "role": "administrator", "password": PASSWORD}
    assert client.post("/accounts", data=form).status_code == 403
    token = csrf_of(client)
    forged = {"origin": "https://evil.example"}
    assert client.post("/accounts", data={**form, "csrf": token}, headers=forged).status_code == 403
    assert account_named(site.records, "eve") is None
    assert client.post("/accounts", data={**form, "csrf": token}).status_code == 303
    assert account_named(site.records, "eve") is not None


def test_signing_out_ends_the_session_on_the_server(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    cookie = client.cookies["pneumoscore"]
    assert client.post("/logout", data={"csrf": csrf_of(client)}).status_code == 303
    client.cookies.set("pneumoscore", cookie)
    assert client.get("/api/v1/films").status_code == 401


def test_a_change_of_role_holds_at_once(site: Site, browser: Callable[..., TestClient]) -> None:
    root, ada = browser("root", Role.ADMINISTRATOR), browser("ada", Role.OWNER)
    assert ada.get("/studies").status_code == 200
    number = account_named(site.records, "ada").id
    form = {"csrf": csrf_of(root), "role": "viewer"}
    assert root.post(f"/accounts/{number}", data=form).status_code == 303
    assert ada.get("/api/v1/films").status_code == 401


def test_the_last_administrator_stays(site: Site, browser: Callable[..., TestClient]) -> None:
    root = browser("root", Role.ADMINISTRATOR)
    number = account_named(site.records, "root").id
    form = {"csrf": csrf_of(root), "role": "viewer"}
    assert root.post(f"/accounts/{number}", data=form).status_code == 400
    assert account_named(site.records, "root").role is Role.ADMINISTRATOR


def test_a_token_is_shown_once_and_can_be_revoked(browser: Callable[..., TestClient]) -> None:
    client = browser("ada", Role.VIEWER)
    made = client.post(
        "/account/tokens", data={"csrf": csrf_of(client), "name": "script", "scope": "score"}
    )
    assert made.status_code == 201
    secret = made.text.split("<code>")[1].split("</code>")[0]
    assert secret not in client.get("/account").text
    program = browser("program")
    bearer = {"authorization": f"Bearer {secret}"}
    assert program.get("/api/v1/films", headers=bearer).json() == []
    assert program.get("/api/v1/model", headers=bearer).status_code == 403
    number = client.get("/account").text.split("/account/tokens/")[1].split("/")[0]
    client.post(f"/account/tokens/{number}/revoke", data={"csrf": csrf_of(client)})
    assert program.get("/api/v1/films", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        (" ada", PASSWORD),
        ("a\nb", PASSWORD),
        ("ada", "short"),
        ("batteries", "my batteries 1234"),
    ],
)
def test_unfit_names_and_passwords_are_refused(site: Site, name: str, password: str) -> None:
    with pytest.raises(AccountError):
        create_account(site.records, name, Role.VIEWER, password, actor="test")


def test_a_path_to_elsewhere_is_not_followed(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    create_account(site.records, "ada", Role.VIEWER, PASSWORD, actor="test")
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        answer = browser("x").post(
            "/login", data={"name": "ada", "password": PASSWORD, "target": target}
        )
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    "path",
    [
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        "/reading\\..\\evil",
        "/\\/evil.example",
        "///evil.example",
        "/\u2028/evil.example",
        " /reading",
        "javascript:alert(1)",
        "reading",
        "",
    ],
)
def test_only_plain_paths_of_this_site_are_gone_on_to(path: str) -> None:
    assert inside(path) == "/"
    assert inside("/reading?study=a%2Fb&x=ä#top") == "/reading?study=a%2Fb&x=ä#top"
