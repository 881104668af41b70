"""Films into a draft, and out of it."""

from __future__ import annotations

from functools import partial
from urllib.parse import unquote

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from pneumoscore.server.errors import ReadingError
from pneumoscore.server.films.intake import receive_film, shown_name
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.films import FilmName, declared_length
from pneumoscore.server.http.owned import owned_study, study_shown
from pneumoscore.server.http.patience import in_time
from pneumoscore.server.reading.sealing import take_study_film
from pneumoscore.server.reading.steps import drop_film
from pneumoscore.server.reading.study import study_films

__all__ = ["router"]

router = APIRouter()


@router.post("/api/v1/studies/{study}/films", status_code=201)
async def send_study_film(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    study: str,
    name: FilmName = None,
    example: bool = False,
) -> JSONResponse:
    """Take one film into a draft. Its score is sealed: nobody sees it before the unblinding."""
    await run_in_threadpool(owned_study, site, session, study)
    received = await receive_film(
        site.films, in_time(request.stream()), site.options, declared_length(request)
    )
    told = shown_name(unquote(name or ""))
    try:
        take = partial(
            take_study_film,
            site,
            study,
            received,
            told,
            example=example,
            actor=session.account.name,
        )
        film = await to_thread.run_sync(take, limiter=site.at_once)
    except ReadingError as error:
        raise HTTPException(409, str(error)) from error
    return JSONResponse({"id": film.id, "name": told}, 201)


@router.post("/studies/{study}/films/{film}/drop")
def take_film_out(site: SiteHere, session: SessionHere, study: str, film: str) -> Response:
    """Take a film out of a draft."""
    owned_study(site, session, study)
    if any(item.id == film for item in study_films(site.records, study)):
        drop_film(site.records, site.films, study, film, actor=session.account.name)
    return study_shown(study)
