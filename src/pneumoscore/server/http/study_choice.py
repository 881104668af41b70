"""Films of the records into a draft: asked for, counted, added one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from anyio import open_file, to_thread
from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from pneumoscore.records.choice import ChosenFilm, FilmChoice, chosen_film
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.films.intake import receive_film, shown_name
from pneumoscore.server.follow.films import film_file
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.owned import owned_study
from pneumoscore.server.http.patients import printed_words
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.blinding import withheld_films
from pneumoscore.server.reading.draw import DrawOptions, draw_films, is_one_of
from pneumoscore.server.reading.sealing import take_study_film
from pneumoscore.server.reading.study import ReaderStudy, StudyState
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()
_CHUNK = 2**20


class AskedFilms(BaseModel):
    """Which films of the records, and how many of them; by no score."""

    model_config = ConfigDict(extra="forbid")

    since: date | None = None
    until: date | None = None
    views: list[Annotated[str, Field(max_length=64)]] = Field([], max_length=64)
    number: str = Field("", max_length=200)
    per_patient: int = Field(0, ge=0, le=10_000)
    per_day: int = Field(0, ge=0, le=10_000)
    most: int = Field(60, ge=1, le=500)
    seed: int = Field(1, ge=0, le=2**31)


class RecordedFilmGiven(BaseModel):
    """A film of the records by its number, as a draw gives it."""

    model_config = ConfigDict(extra="forbid")

    film: int = Field(ge=1, le=2**62)
    example: bool = False


def _draft(site: Site, session: Session, study: str) -> ReaderStudy:
    found = owned_study(site, session, study)
    if found.state is not StudyState.DRAFT:
        raise HTTPException(409, f"the study is {found.state}; films are added to a draft")
    return found


@router.post("/api/v1/studies/{study}/draw")
async def draw(
    site: SiteHere, session: SessionHere, study: str, asked: AskedFilms
) -> dict[str, Any]:
    """Draw films of the records for a draft: how many fit, and those that can be added now.

    Nothing is added; the audit keeps what was asked for, but for the part of a number.
    """
    await run_in_threadpool(_draft, site, session, study)
    choice = FilmChoice(
        asked.since, asked.until, frozenset(asked.views), printed_words(asked.number)
    )
    options = DrawOptions(asked.per_patient, asked.per_day, asked.most, asked.seed)
    work = partial(draw_films, site, session.account, study, choice, options)
    found = await to_thread.run_sync(work, limiter=site.at_once)
    return {"films": [film.id for film in found.films], **found.counts()}


@router.post("/api/v1/studies/{study}/films/recorded", status_code=201)
async def add_recorded_film(
    site: SiteHere, session: SessionHere, study: str, given: RecordedFilmGiven
) -> JSONResponse:
    """Take one film of the records into a draft, from where it was read. Its score is sealed."""
    await run_in_threadpool(_draft, site, session, study)
    film = await run_in_threadpool(_recorded, site, session, study, given.film)
    look = partial(film_file, site, film.file, film.file_sha256)
    file = await to_thread.run_sync(look, limiter=site.at_once)
    if file.path is None:
        raise HTTPException(409, _missing(film, changed=file.changed))
    source = _bytes(file.path, _missing(film, changed=False))
    received = await receive_film(site.films, source, site.options, None)
    if received.sha256 != film.file_sha256:
        site.films.drop(received.id)
        raise HTTPException(409, _missing(film, changed=True))
    name = _name(film)
    take = partial(
        take_study_film,
        site,
        study,
        received,
        name,
        example=given.example,
        recorded=film,
        actor=session.account.name,
    )
    try:
        taken = await to_thread.run_sync(take, limiter=site.at_once)
    except ReadingError as error:
        raise HTTPException(409, str(error)) from error
    return JSONResponse({"id": taken.id, "name": name}, 201)


def _recorded(site: Site, session: Session, study: str, number: int) -> ChosenFilm:
    film = chosen_film(site.records, number)
    if film is None:
        raise HTTPException(404, "no such film")
    if is_one_of(film, withheld_films(site.records, session.account, but=study)):
        record_peek(site, session.account, "a film that is read blinded elsewhere", str(number))
        raise HTTPException(403, "this film is read blinded in another study of yours")
    return film


def _name(film: ChosenFilm) -> str:
    """Return what the owner's page calls a film: its file, where the records name one."""
    return (
        f"film {film.id} of the records" if film.file is None else shown_name(Path(film.file).name)
    )


def _missing(film: ChosenFilm, *, changed: bool) -> str:
    if changed:
        return f"{_name(film)}: its file has other bytes than those that were scored"
    return f"{_name(film)}: its file is not there any more"


async def _bytes(path: Path, lost: str) -> AsyncIterator[bytes]:
    """Yield a file's bytes; answer 409 with these words if it goes while it is read."""
    try:
        async with await open_file(path, "rb") as stream:
            while chunk := await stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise HTTPException(409, lost) from error
