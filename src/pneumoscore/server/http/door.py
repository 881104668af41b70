"""The door: who asks, may he, and is it his own page that asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from pneumoscore.server.http.headers import UPLOADS
from pneumoscore.server.http.rights import RIGHTS, may
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.sessions import Session, session_of, token_account
from pneumoscore.server.site import Site

__all__ = [
    "SessionHere",
    "SiteHere",
    "admit",
    "cookie_name",
    "same_origin",
    "site_of",
    "still_signed_in",
]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_CSRF_HEADER = "X-CSRF-Token"
_LIVE_HEADER = "X-Live"
"""Sent by pages that bring themselves up to date without anybody at the screen."""


def site_of(request: Request) -> Site:
    """Return the running server's parts."""
    site: Site = request.app.state.site
    return site


def cookie_name(site: Site) -> str:
    """Return the session cookie's name; with TLS browsers bind it to this host (RFC 6265bis)."""
    return "__Host-pneumoscore" if site.options.secure else "pneumoscore"


def same_origin(request: Request) -> bool:
    """Return whether a request that changes something comes from this site's own pages.

    Browsers send Origin (or Sec-Fetch-Site) with such requests; programs send neither.
    """
    where = request.headers.get("sec-fetch-site")
    if where is not None:
        # It is what the browser itself knows; Origin is "null" where no referrer is sent.
        return where == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _session(request: Request, site: Site) -> Session | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        return token_account(site.records, secret.strip())
    idle: timedelta = site.options.idle
    cookie = request.cookies.get(cookie_name(site))
    by_itself = request.url.path == "/events" or _LIVE_HEADER in request.headers
    return session_of(site.records, cookie, idle, used=not by_itself)


async def still_signed_in(request: Request) -> bool:
    """Return whether the session that a long answer goes to still holds."""
    found = await run_in_threadpool(_session, request, site_of(request))
    right = RIGHTS[request.method, request.scope["route"].path]
    return found is not None and may(right, found)


async def admit(request: Request) -> None:
    """Let a request in, or raise.

    Raises
    ------
    HTTPException
        401 without a valid session or token (a page leads to the sign-in instead), 403 where the
        role or scope is too small or the request was forged.
    """
    site = site_of(request)
    right = RIGHTS[request.method, request.scope["route"].path]
    session = await run_in_threadpool(_session, request, site)
    request.state.session = session
    if right.role is not None and session is None:
        if request.method == "GET" and not request.url.path.startswith(("/api/", "/events")):
            raise HTTPException(303, headers={"Location": f"/login?next={quote(request.url.path)}"})
        raise HTTPException(401, "sign in first", headers={"WWW-Authenticate": "Bearer"})
    if not may(right, session):
        if session is not None:
            where = f"{request.method} {request.scope['route'].path}"
            await run_in_threadpool(record_peek, site, session.account, "role or scope", where)
        raise HTTPException(403, "this account may not do that")
    if request.method not in _SAFE:
        if not same_origin(request):
            raise HTTPException(403, "the request came from another site's page")
        if session is not None and session.scopes is None and right.role is not None:
            await _require_csrf(request, session)


async def _require_csrf(request: Request, session: Session) -> None:
    given = request.headers.get(_CSRF_HEADER)
    # A film is no form, whatever its sender calls it, and is not read whole.
    film = request.scope["route"].path in UPLOADS
    if (
        given is None
        and not film
        and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    ):
        field = (await request.form()).get("csrf")
        given = field if isinstance(field, str) else None
    if not session.csrf_fits(given):
        raise HTTPException(403, "the page is out of date: reload it and try again")


def _here(request: Request) -> Session:
    session: Session | None = request.state.session
    if session is None:
        raise HTTPException(401, "sign in first")
    return session


SiteHere = Annotated[Site, Depends(site_of)]
SessionHere = Annotated[Session, Depends(_here)]
