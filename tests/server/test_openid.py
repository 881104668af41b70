"""Signing in by an identity provider: a real one on this computer, and forged answers."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from pneumoscore.errors import PneumoScoreError, SettingsError
from pneumoscore.records.database import Records
from pneumoscore.records.reading import read_audit
from pneumoscore.server.accounts import Role, account_named, create_account, list_accounts
from pneumoscore.server.app import create_app
from pneumoscore.server.errors import ProviderError
from pneumoscore.server.openid.linking import account_for
from pneumoscore.server.openid.provider import Identity, Provider
from pneumoscore.server.openid.tries import SignInTries
from pneumoscore.server.options import IdentityProvider
from pneumoscore.server.sessions import (
    Scope,
    create_token,
    open_session,
    session_of,
    token_account,
)
from pneumoscore.server.settings import ServerSettings, roles_by_group
from pneumoscore.server.site import Site
from tests.fixtures.records import _free_port as free_port
from tests.server.conftest import PASSWORD, make_site

BACK = "http://127.0.0.1:8000/login/callback"
SECRET = "a secret: of/signs&letters"
PACKAGE = "oidc-provider@8.8.1"
FOLDER = Path(__file__).parents[2] / "build" / "oidc-provider"


@pytest.fixture(scope="module")
def package() -> Path:
    """The provider from npm; CI installs it beforehand (.ci/run)."""
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        problem = "npm is not installed"
        if shutil.which("npm") is not None:
            FOLDER.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", FOLDER, PACKAGE]
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
            problem = done.stderr if done.returncode else ""
        if problem and os.environ.get("CI") == "true":
            pytest.fail(problem)
        if problem:
            pytest.skip(problem)
    return FOLDER


@pytest.fixture(scope="module")
def issuer(package: Path) -> Iterator[str]:
    port = free_port()
    script = Path(__file__).with_name("oidc") / "provider.mjs"
    process = subprocess.Popen(
        ["node", script, package, str(port), BACK], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def options_for(issuer: str) -> IdentityProvider:
    roles = {"trial": Role.OWNER, "radiology": Role.READER}
    return IdentityProvider(issuer, "pneumoscore", SECRET, roles)


def served(records: Records, folder: Path, options: IdentityProvider) -> Site:
    return replace(
        make_site(records, folder, provider=options, public_url="http://127.0.0.1:8000"),
        provider=Provider(options),
    )


@pytest.fixture
def client(records: Records, tmp_path: Path, issuer: str) -> Iterator[TestClient]:
    create_account(records, "root", Role.ADMINISTRATOR, PASSWORD, actor="test")
    app = create_app(served(records, tmp_path, options_for(issuer)))
    with TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False) as opened:
        yield opened


def person_signs_in(url: str, who: str) -> str:
    """Do at the provider what a person does; return where it leads back to."""
    with httpx2.Client(follow_redirects=False) as person:
        answer = person.get(url)
        for _ in range(12):
            if "location" in answer.headers:
                url = urljoin(str(answer.url), answer.headers["location"])
                if url.startswith(BACK):
                    return url
                answer = person.get(url)
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            assert action, answer.text
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            form = {"prompt": prompt[1] if prompt else "consent", "login": who, "password": "x"}
            answer = person.post(urljoin(str(answer.url), action[1]), data=form)
    raise AssertionError("the provider never led back")


def begin(client: TestClient, target: str = "/reading") -> str:
    answer = client.get(f"/login/provider?next={target}")
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    return str(answer.headers["location"])


@pytest.mark.slow
def test_a_person_signs_in_and_is_known_again(client: TestClient, records: Records) -> None:
    assert "/login/provider" in client.get("/login").text
    for _ in range(2):
        asked = parse_qs(urlsplit(begin(client)).query)
        assert asked["code_challenge_method"] == ["S256"]
        answer = client.get(person_signs_in(begin(client), "ada-1"))
        assert answer.status_code == 200, answer.text
        assert 'content="0; url=/reading"' in answer.text
        assert "samesite=strict" in str(answer.headers.get_list("set-cookie")).lower()
        assert client.get("/studies").status_code == 200  # the group trial makes owners
    assert [account.name for account in list_accounts(records)] == ["ada", "root"]
    ada = account_named(records, "ada")
    assert ada is not None
    assert (ada.role, ada.local) == (Role.OWNER, False)
    entry = next(item for item in read_audit(records) if item.details.get("issuer"))
    assert entry.action == "account_created"
    # Without a password nobody signs in to it by one.
    assert client.post("/login", data={"name": "ada", "password": PASSWORD}).status_code == 401


@pytest.mark.slow
def test_names_and_groups_alone_open_nothing(client: TestClient, records: Records) -> None:
    create_account(records, "ben", Role.ADMINISTRATOR, PASSWORD, actor="test")
    assert client.get(person_signs_in(begin(client), "ben-7")).status_code == 200
    linked = next(account for account in list_accounts(records) if not account.local)
    assert linked.name == "ben (127.0.0.1)"  # not the administrator of that name
    assert linked.role is Role.READER
    client.cookies.clear()
    refused = client.get(person_signs_in(begin(client), "eve-3"))
    assert refused.status_code == 403
    assert "no role here" in refused.text
    assert client.get("/api/v1/films").status_code == 401


@pytest.mark.slow
def test_forged_and_replayed_answers_are_refused(client: TestClient) -> None:
    back = person_signs_in(begin(client), "ada-1")
    query = parse_qs(urlsplit(back).query)
    jar = dict(client.cookies)
    client.cookies.clear()
    assert client.get(back).status_code == 403  # another browser brings the answer
    for name, value in jar.items():
        client.cookies.set(name, value)
    assert client.get(back).status_code == 403  # and it is used up
    begun = parse_qs(urlsplit(begin(client)).query)["state"][0]
    # A code of another sign-in: its verifier does not fit.
    stolen = f"/login/callback?state={begun}&code={query['code'][0]}"
    assert client.get(stolen).status_code == 403
    begun = parse_qs(urlsplit(begin(client)).query)["state"][0]
    other = f"/login/callback?state={begun}&code=x&iss=https%3A%2F%2Fevil.example"
    assert client.get(other).status_code == 403
    assert client.get("/api/v1/films").status_code == 401


class Told(Provider):
    """A provider whose answers the test gives."""

    def __init__(self, answers: dict[str, Any]) -> None:
        super().__init__(IdentityProvider("https://id.example", "pneumoscore", "s"))
        self.told = answers

    def _ask(self, url: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        return dict(self.told[urlsplit(url).path])


def provider_that_says(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Told:
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": "k1"})
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "https://id.example", "aud": "pneumoscore", "sub": "1", "iat": now,
        "exp": now + 300, "nonce": "n",
    }  # fmt: skip
    answers: dict[str, Any] = {
        "/.well-known/openid-configuration": {
            "issuer": "https://id.example",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/jwks",
            "userinfo_endpoint": "https://id.example/me",
        },
        "/jwks": {"keys": [key.as_dict(private=False)]},
        "/me": {"sub": "1", "preferred_username": "ada", "groups": ["trial"], "iss": "x"},
    }
    change(claims, answers)
    signer = answers.pop("key", key)
    header = {"alg": answers.pop("alg", "RS256"), "kid": "k1"}
    token = answers.pop("token", None) or jwt.encode(
        header, claims, signer, algorithms=["RS256", "HS256"]
    )
    answers["/token"] = {"id_token": token, "access_token": "a"}
    return Told(answers)


def test_an_answer_that_holds_names_a_person() -> None:
    found = provider_that_says(lambda claims, answers: None).identity("c", BACK, "n", "v")
    assert found == Identity("https://id.example", "1", "ada", ("trial",))


def test_a_key_that_is_new_at_the_provider_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    provider = provider_that_says(lambda claims, answers: None)
    provider.identity("c", BACK, "n", "v")
    now = int(time.time())
    claims = {"iss": "https://id.example", "aud": "pneumoscore", "sub": "1", "iat": now,
              "exp": now + 300, "nonce": "n"}  # fmt: skip
    new = RSAKey.generate_key(2048, {"kid": "k2"})
    token = jwt.encode({"alg": "RS256", "kid": "k2"}, claims, new)
    provider.told["/token"] = {"id_token": token, "access_token": "a"}
    provider.told["/jwks"] = {"keys": [new.as_dict(private=False)]}
    # Keys were asked for a moment ago: they are not asked for again by every token.
    with pytest.raises(ProviderError):
        provider.identity("c", BACK, "n", "v")
    later = time.monotonic() + 120.0
    monkeypatch.setattr("pneumoscore.server.openid.provider.time.monotonic", lambda: later)
    assert provider.identity("c", BACK, "n", "v").subject == "1"


def _other_key(claims: dict[str, Any], answers: dict[str, Any]) -> None:
    from joserfc.jwk import RSAKey

    answers["key"] = RSAKey.generate_key(2048, {"kid": "k1"})


def _shared_secret(claims: dict[str, Any], answers: dict[str, Any]) -> None:
    from joserfc.jwk import OctKey

    secret = OctKey.generate_key(256, {"kid": "k2"})
    answers |= {"key": secret, "alg": "HS256"}
    answers["/jwks"]["keys"].append(secret.as_dict(private=True))


def _unsigned(claims: dict[str, Any], answers: dict[str, Any]) -> None:
    import base64
    import json

    parts = ({"alg": "none"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    answers["token"] = b".".join(encoded).decode() + "."


@pytest.mark.parametrize(
    "change",
    [
        lambda claims, answers: claims.update(iss="https://evil.example"),
        lambda claims, answers: claims.update(aud="another"),
        lambda claims, answers: claims.update(aud=["pneumoscore", "another"]),
        lambda claims, answers: claims.update(azp="another"),
        lambda claims, answers: claims.update(exp=int(time.time()) - 120),
        lambda claims, answers: claims.update(nonce="of another sign-in"),
        lambda claims, answers: claims.pop("nonce"),
        lambda claims, answers: claims.pop("exp"),
        lambda claims, answers: claims.pop("sub"),
        lambda claims, answers: answers["/me"].update(sub="2"),
        lambda claims, answers: answers["/.well-known/openid-configuration"].update(issuer="x"),
        lambda claims, answers: answers["/.well-known/openid-configuration"].update(
            token_endpoint="http://id.example/token"
        ),
        lambda claims, answers: answers.update(token="not.a.token"),
        _other_key,
        _shared_secret,
        _unsigned,
    ],
)
def test_an_answer_that_does_not_hold_is_refused(change: Any) -> None:
    with pytest.raises(ProviderError):
        provider_that_says(change).identity("c", BACK, "n", "v")


def test_roles_follow_the_provider_and_administrators_stay(site: Site) -> None:
    ada = Identity("https://id.example", "1", "ada", ())
    first = account_for(site.records, ada, Role.READER)
    again = account_for(site.records, replace(ada, name="renamed"), Role.VIEWER)
    assert (again.id, again.name, again.role) == (first.id, "ada", Role.VIEWER)
    with pytest.raises(ProviderError, match="no role"):
        account_for(site.records, ada, None)
    other = account_for(site.records, replace(ada, issuer="https://other.example"), Role.VIEWER)
    assert other.id != first.id
    from pneumoscore.server.accounts import change_account

    change_account(site.records, first, actor="root", role=Role.ADMINISTRATOR)
    assert account_for(site.records, ada, None).role is Role.ADMINISTRATOR
    change_account(site.records, other, actor="root", disabled=True)
    with pytest.raises(ProviderError, match="disabled"):
        account_for(site.records, replace(ada, issuer="https://other.example"), Role.OWNER)


def test_who_has_no_role_any_more_keeps_no_access(site: Site) -> None:
    ada, bob = (Identity("https://id.example", name, name, ()) for name in ("ada", "bob"))
    kept, gone = (account_for(site.records, who, Role.OWNER) for who in (bob, ada))
    opened = {
        account.name: (
            open_session(site.records, account, timedelta(hours=1)),
            create_token(site.records, account, "t", [Scope.READ], timedelta(days=1)),
        )
        for account in (kept, gone)
    }

    def has_access(name: str) -> list[bool]:
        session, token = opened[name]
        found = session_of(site.records, session, timedelta(hours=1))
        return [found is not None, token_account(site.records, token) is not None]

    for _ in range(2):
        with pytest.raises(ProviderError, match="no role"):
            account_for(site.records, ada, None)
    assert (has_access("ada"), has_access("bob")) == ([False, False], [True, True])
    # A second try ends nothing, and fills no audit.
    said = [entry for entry in read_audit(site.records) if entry.action == "access_ended"]
    assert [entry.details for entry in said] == [{"account": "ada", "sessions": 1, "tokens": 1}]
    with pytest.raises(ProviderError, match="no role"):
        account_for(site.records, replace(ada, subject="new"), None)
    assert account_for(site.records, ada, Role.READER).id == gone.id
    assert has_access("ada") == [False, False]


def test_settings_name_a_whole_provider_or_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s\n", encoding="utf-8")
    base: dict[str, Any] = {"oidc_issuer": "https://id.example", "oidc_client_id": "p"}
    told = ServerSettings(**base, oidc_client_secret_file=secret, oidc_roles="a b=owner")
    provider = told.options(None, 1).provider
    assert provider is not None
    assert (provider.client_secret, provider.roles) == ("s", {"a b": Role.OWNER})
    assert ServerSettings().options(None, 1).provider is None
    for wrong in (
        base,
        {**base, "oidc_client_secret_file": tmp_path / "none"},
        {**base, "oidc_client_secret_file": secret, "oidc_roles": "owner"},
        {**base, "oidc_client_secret_file": secret, "oidc_default_role": "king"},
    ):
        with pytest.raises(SettingsError):
            ServerSettings(**wrong).options(None, 1)
    with pytest.raises(PneumoScoreError, match="administrators"):
        IdentityProvider("https://id.example", "p", "s", roles_by_group("a=administrator"))
    with pytest.raises(PneumoScoreError, match="https"):
        IdentityProvider("http://id.example", "p", "s")


def test_a_sign_in_is_of_one_browser_and_used_once() -> None:
    tries = SignInTries()
    begun = tries.begin("/")
    assert tries.end(begun.state, "another") is None
    assert tries.end(begun.state, begun.browser) is None
    begun = tries.begin("/")
    assert tries.end(begun.state, begun.browser) == begun
    assert tries.end("never begun", None) is None
