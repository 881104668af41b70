"""Headers of every answer, and a bound on what is sent in."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoscore.server.http.patience import BODY_SECONDS

__all__ = ["FORM_BYTES", "POLICY", "UPLOADS", "SecureHeaders"]

FORM_BYTES = 64 * 1024
"""Largest body of a request that is no film."""

UPLOADS = frozenset({"/api/v1/films", "/api/v1/studies/{study}/films"})
"""Routes whose POST sends a film: it is taken as it streams, under bounds of its own."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline."""

_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_DETAILS = {
    408: b'{"detail": "the body came too slowly"}',
    413: b'{"detail": "more bytes than allowed"}',
}
_STREAMED = tuple(compile_path(path)[0] for path in sorted(UPLOADS))


class SecureHeaders:
    """Sets security headers, forbids caching of what is no static file, bounds small bodies.

    Parameters
    ----------
    app : ASGIApp
        What it stands around.
    secure : bool
        Whether browsers come by TLS and may be told to stay with it.
    """

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        static = scope["path"].startswith("/static/")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "max-age=3600" if static else "no-store")
                if self._secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        if scope["method"] == "POST" and any(way.match(scope["path"]) for way in _STREAMED):
            await self._app(scope, receive, answer)
            return
        await _bounded(self._app, scope, receive, answer)


async def _bounded(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Read a small body whole before anything parses it, or answer 413."""
    body, more = b"", scope["method"] not in ("GET", "HEAD")
    end = time.monotonic() + BODY_SECONDS
    while more:
        try:
            message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
        except TimeoutError:
            await _answer(send, 408)
            return
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > FORM_BYTES:
            await _answer(send, 413)
            return
    given = False

    async def replay() -> Message:
        nonlocal given
        if given or scope["method"] in ("GET", "HEAD"):
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    await app(scope, replay, send)


async def _answer(send: Send, status: int) -> None:
    # The rest of the body is not waited for.
    headers = [(b"connection", b"close"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": _DETAILS[status]})
