"""Signing in and out, the first administrator, one's own account."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pneumoscore.server.accounts import (
    Account,
    Role,
    any_account,
    create_account,
    set_password,
    verified,
)
from pneumoscore.server.errors import AccountError
from pneumoscore.server.http.door import SessionHere, SiteHere, cookie_name
from pneumoscore.server.http.pages import page
from pneumoscore.server.sessions import (
    Scope,
    create_token,
    end_session,
    list_tokens,
    open_session,
    revoke_token,
)
from pneumoscore.server.site import Site

__all__ = ["begin_session", "inside", "router", "sign_in"]

router = APIRouter()
_TOKEN_DAYS = 90


def inside(path: str) -> str:
    r"""Return a path of this site to go on to; the start for anything else.

    Browsers drop tabs and line ends from an address and take a backslash for a slash, so that
    such a path may lead to another site.

    Examples
    --------
    >>> inside("/reading?study=1"), inside("//evil.example"), inside("/\t/evil.example")
    ('/reading?study=1', '/', '/')
    """
    here = path.startswith("/") and not path.startswith("//")
    return path if here and path.isprintable() and "\\" not in path else "/"


def sign_in(site: Site, account: Account, target: str) -> Response:
    """Open a session and lead on."""
    secret = open_session(site.records, account, site.options.session)
    answer = RedirectResponse(inside(target), 303)
    begin_session(site, answer, secret)
    return answer


def begin_session(site: Site, answer: Response, secret: str) -> None:
    """Give a session's secret to the browser, in a cookie and nowhere else."""
    answer.set_cookie(
        cookie_name(site),
        secret,
        max_age=int(site.options.session.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=site.options.secure,
        path="/",
    )
    site.metrics.count("pneumoscore_sign_ins_total", "in")


@router.get("/login")
def login_page(request: Request, site: SiteHere, next: str = "/") -> Response:
    """Show the sign-in."""
    if not any_account(site.records):
        return RedirectResponse("/setup", 303)
    return _login(request, site, next)


def _login(
    request: Request, site: Site, target: str, problem: str = "", status: int = 200
) -> Response:
    return page(
        request,
        "login.html",
        status,
        title="PneumoScore",
        target=inside(target),
        provider=site.options.provider is not None,
        problem=problem,
    )


@router.post("/login")
def login(
    request: Request,
    site: SiteHere,
    name: Annotated[str, Form(max_length=256)],
    password: Annotated[str, Form(max_length=1024)],
    target: Annotated[str, Form(max_length=512)] = "/",
) -> Response:
    """Sign in by name and password; tries are bounded before anything is hashed."""
    address = request.client.host if request.client else "unknown"
    # The address first: one that may not try any more keeps no name's owner out.
    wait = site.addresses.wait(address) or site.names.wait(name.casefold())
    if wait > 0.0:
        raise HTTPException(
            429, "too many tries; wait a little", headers={"Retry-After": f"{wait:.0f}"}
        )
    account = verified(site.records, name, password)
    if account is None:
        site.metrics.count("pneumoscore_sign_ins_total", "refused")
        return _login(request, site, target, "login.wrong", 401)
    site.names.forget(name.casefold())
    return sign_in(site, account, target)


@router.post("/logout")
def logout(site: SiteHere, session: SessionHere) -> Response:
    """End the session."""
    end_session(site.records, session)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(site), path="/", secure=site.options.secure)
    return answer


@router.get("/setup")
def setup_page(request: Request, site: SiteHere) -> Response:
    """Show how the first administrator is made; gone once there is one."""
    if any_account(site.records):
        raise HTTPException(404, "the site is set up")
    return page(request, "setup.html", title="PneumoScore", problem="")


@router.post("/setup")
def setup(
    request: Request,
    site: SiteHere,
    code: Annotated[str, Form(max_length=128)],
    name: Annotated[str, Form(max_length=256)],
    password: Annotated[str, Form(max_length=1024)],
) -> Response:
    """Make the first administrator; the code was printed where the server was started."""
    if any_account(site.records):
        raise HTTPException(404, "the site is set up")
    address = request.client.host if request.client else "unknown"
    if site.addresses.wait(address) > 0.0:
        raise HTTPException(429, "too many tries; wait a little", headers={"Retry-After": "60"})
    if not hmac.compare_digest(code.strip().encode(), site.setup_code.encode()):
        return page(
            request, "setup.html", 403, title="PneumoScore", problem="the code does not fit"
        )
    try:
        account = create_account(
            site.records, name, Role.ADMINISTRATOR, password, actor="first start"
        )
    except AccountError as error:
        return page(request, "setup.html", 400, title="PneumoScore", problem=str(error))
    return sign_in(site, account, "/")


@router.get("/account")
def account_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show one's own account and tokens."""
    return _account(request, site, session)


def _account(
    request: Request,
    site: Site,
    session: SessionHere,
    *,
    secret: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    return page(
        request,
        "account.html",
        status,
        title=session.account.name,
        tokens=list_tokens(site.records, session.account),
        scopes=list(Scope),
        secret=secret,
        problem=problem,
    )


@router.post("/account/password")
def change_password(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    old: Annotated[str, Form(max_length=1024)],
    new: Annotated[str, Form(max_length=1024)],
) -> Response:
    """Change one's own password; every session ends."""
    if site.names.wait(session.account.name.casefold()) > 0.0:
        raise HTTPException(429, "too many tries; wait a little", headers={"Retry-After": "60"})
    if verified(site.records, session.account.name, old) is None:
        return _account(request, site, session, problem="the old password is wrong", status=403)
    try:
        set_password(site.records, session.account, new, actor=session.account.name)
    except AccountError as error:
        return _account(request, site, session, problem=str(error), status=400)
    return RedirectResponse("/login", 303)


@router.post("/account/tokens", status_code=201)
def make_token(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    name: Annotated[str, Form(min_length=1, max_length=60)],
    scope: Annotated[list[Scope], Form()],
) -> Response:
    """Make an API token and show it, this once."""
    lifetime = timedelta(days=_TOKEN_DAYS)
    secret = create_token(site.records, session.account, name, scope, lifetime)
    return _account(request, site, session, secret=secret, status=201)


@router.post("/account/tokens/{token}/revoke")
def drop_token(site: SiteHere, session: SessionHere, token: str) -> Response:
    """Revoke a token."""
    if not revoke_token(site.records, token, actor=session.account):
        raise HTTPException(404, "no such token")
    return RedirectResponse("/account", 303)
