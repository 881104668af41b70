"""Server-sent events: pages hear that something is new, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from pneumoscore.present.pages import style_sheet
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()
_BEAT_SECONDS = 5.0


@router.get("/events", include_in_schema=False)
async def events(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Send ``change`` whenever a film is done; what changed is asked for by those who may see."""
    del session
    return StreamingResponse(
        _changes(request, site),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _changes(request: Request, site: Site) -> AsyncIterator[str]:
    seen = site.bell.count
    yield ": listening\n\n"
    while not await request.is_disconnected():
        now = await site.bell.wait(seen, _BEAT_SECONDS)
        yield "event: change\ndata: \n\n" if now > seen else ": still here\n\n"
        seen = now


@router.get("/static/base.css", include_in_schema=False)
def base_style() -> Response:
    """Return the style sheet that all pages share."""
    return Response(style_sheet(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})
