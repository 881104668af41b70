"""Server-sent events: pages hear that something is new, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pneumoscore.present.pages import style_sheet
from pneumoscore.server.http.door import SessionHere, SiteHere, still_signed_in
from pneumoscore.server.live import TooManyListenersError
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()
BEAT_SECONDS = 5.0
"""Between two signs of life; so often it is also looked whether the session still holds."""
_LEAST_SECONDS = 0.5


@router.get("/events", include_in_schema=False)
async def events(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Send ``change`` whenever something is done; what changed is asked for by those who may see.

    The stream ends with the session: after signing out, or when the account is disabled.
    """
    listening = site.bell.listening(session.account.id)
    try:
        listening.__enter__()
    except TooManyListenersError as error:
        raise HTTPException(429, str(error), headers={"Retry-After": "60"}) from error
    return _Stream(_changes(request, site), listening)


class _Stream(StreamingResponse):
    """An event stream that stops listening however it ends, begun or not."""

    def __init__(self, words: AsyncIterator[str], listening: AbstractContextManager[None]) -> None:
        headers = {"X-Accel-Buffering": "no"}
        super().__init__(words, media_type="text/event-stream", headers=headers)
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listening.__exit__(None, None, None)


async def _changes(request: Request, site: Site) -> AsyncIterator[str]:
    seen = site.bell.count
    yield ": listening\n\n"
    while not await request.is_disconnected():
        now = await site.bell.wait(seen, BEAT_SECONDS)
        if not await still_signed_in(request):
            yield "event: end\ndata: \n\n"
            return
        yield "event: change\ndata: \n\n" if now > seen else ": still here\n\n"
        seen = now
        await asyncio.sleep(_LEAST_SECONDS)


@router.get("/static/base.css", include_in_schema=False)
def base_style() -> Response:
    """Return the style sheet that all pages share."""
    return Response(style_sheet(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})
