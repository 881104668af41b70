"""Signing in by an identity provider: away to it, and back."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pneumoscore.server.errors import ProviderError
from pneumoscore.server.http.door import SiteHere
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.sign_in import begin_session, inside
from pneumoscore.server.openid.linking import account_for, role_for
from pneumoscore.server.openid.provider import Provider
from pneumoscore.server.openid.tries import SignInTry
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()
_BACK = "/login/callback"
_COOKIE = "pneumoscore-sign-in"
_COOKIE_SECONDS = 600


def _provider(site: Site) -> Provider:
    if site.provider is None:
        raise HTTPException(404, "no identity provider is set up here")
    return site.provider


def _cookie(site: Site) -> str:
    return f"__Host-{_COOKIE}" if site.options.secure else _COOKIE


@router.get("/login/provider", status_code=303)
def to_provider(request: Request, site: SiteHere, next: str = "/") -> Response:
    """Lead to the identity provider."""
    provider = _provider(site)
    address = request.client.host if request.client else "unknown"
    if site.addresses.wait(address) > 0.0:
        raise HTTPException(429, "too many tries; wait a little", headers={"Retry-After": "60"})
    begun = site.tries.begin(inside(next))
    url = provider.sign_in_url(
        site.options.address + _BACK, begun.state, begun.nonce, begun.verifier
    )
    answer = RedirectResponse(url, 303)
    # Lax: the provider's redirect back comes from another site's page.
    answer.set_cookie(
        _cookie(site),
        begun.browser,
        max_age=_COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=site.options.secure,
        path="/",
    )
    return answer


@router.get(_BACK)
async def from_provider(
    request: Request,
    site: SiteHere,
    state: str = "",
    code: str = "",
    error: str = "",
    iss: str | None = None,
) -> Response:
    """Take the provider's answer: a session, or why there is none."""
    provider = _provider(site)
    begun = site.tries.end(state, request.cookies.get(_cookie(site)))
    options = site.options.provider
    if begun is None or options is None or iss not in (None, options.issuer):
        raise HTTPException(403, "this sign-in was not begun here, or too long ago; begin again")
    if error or not code:
        raise HTTPException(403, "the provider did not sign you in")
    try:
        secret = await run_in_threadpool(_signed_in, site, provider, begun, code)
    except ProviderError as problem:
        site.metrics.count("pneumoscore_sign_ins_total", "refused")
        raise HTTPException(403, str(problem)) from problem
    # A page of our own leads on: a redirect would still count as the provider's, and browsers
    # would keep the strict cookie back.
    answer = page(request, "signed_in.html", title="PneumoScore", target=begun.target)
    begin_session(site, answer, secret)
    answer.delete_cookie(_cookie(site), path="/", secure=site.options.secure)
    return answer


def _signed_in(site: Site, provider: Provider, begun: SignInTry, code: str) -> str:
    from pneumoscore.server.sessions import open_session

    options = site.options.provider
    assert options is not None
    identity = provider.identity(code, site.options.address + _BACK, begun.nonce, begun.verifier)
    role = role_for(identity, options.roles, options.default_role)
    account = account_for(site.records, identity, role)
    return open_session(site.records, account, site.options.session)
