"""Reading blinded: what a reader sees, one item at a time."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pneumoscore.server.errors import ReadingError
from pneumoscore.server.films.work import SCREEN_SIDE
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.films import ViewSize
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.sent_file import SentFile
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.scores import CHANGE_STEPS, EXTENT_STEPS, OPACITY_STEPS, Answer
from pneumoscore.server.reading.sittings import (
    ReadingItem,
    ReadingProgress,
    answer_item,
    end_sitting,
    item_at,
    progress_of,
)
from pneumoscore.server.reading.study import (
    StudyState,
    find_study,
    list_studies,
    study_films,
    study_readers,
)
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()


class GivenAnswer(BaseModel):
    """What a reader gives; see `pneumoscore.server.reading.scores.Answer`."""

    model_config = ConfigDict(extra="forbid")

    extent_right: int | None = Field(None, ge=0, le=4)
    extent_left: int | None = Field(None, ge=0, le=4)
    opacity_right: int | None = Field(None, ge=0, le=3)
    opacity_left: int | None = Field(None, ge=0, le=3)
    change: int | None = Field(None, ge=-2, le=2)
    cannot_assess: str | None = Field(None, max_length=2000)
    comment: str = Field("", max_length=2000)
    seconds: float = Field(0.0, ge=0.0, lt=86_400.0)


def _as_dict(progress: ReadingProgress) -> dict[str, Any]:
    return {
        "answered": progress.answered,
        "count": progress.count,
        "first_open": progress.first_open,
        "next": progress.next,
        "break_due": progress.break_due,
        "done": progress.done,
    }


def _mine(site: Site, session: Session, study: str) -> None:
    """Raise 404 unless this account reads in the study: whether it exists is not told."""
    if all(item.account_id != session.account.id for item in study_readers(site.records, study)):
        record_peek(site, session.account, "the reading of a study of others, or none", study)
        raise HTTPException(404, "no such study")


@router.get("/reading")
def my_studies(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show the studies in which this account reads."""
    rows = []
    for study in list_studies(site.records, session.account):
        if study.state is StudyState.DRAFT:
            continue
        readers = study_readers(site.records, study.id)
        if any(item.account_id == session.account.id for item in readers):
            rows.append((study, progress_of(site.records, study.id, session.account)))
    return page(request, "reading.html", title="Reading", rows=rows)


@router.get("/reading/{study}")
def read_page(request: Request, site: SiteHere, session: SessionHere, study: str) -> Response:
    """Show the reading room of one study."""
    _mine(site, session, study)
    found = find_study(site.records, study)
    if found is None or found.state is StudyState.DRAFT:
        raise HTTPException(404, "no such study")
    examples = [film.id for film in study_films(site.records, study) if film.example]
    return page(
        request,
        "read.html",
        title=found.name,
        study=found,
        progress=progress_of(site.records, study, session.account),
        examples=examples,
        extent=EXTENT_STEPS,
        opacity=OPACITY_STEPS,
        change=CHANGE_STEPS,
        screen_side=SCREEN_SIDE,
    )


@router.get("/api/v1/reading/{study}/progress")
def progress(site: SiteHere, session: SessionHere, study: str) -> dict[str, Any]:
    """Return how far this reader is."""
    _mine(site, session, study)
    return _as_dict(progress_of(site.records, study, session.account))


@router.get("/api/v1/reading/{study}/items/{position}")
def item(site: SiteHere, session: SessionHere, study: str, position: int) -> dict[str, Any]:
    """Return one item of this reader's order, if it may be seen now.

    Its films are named by their place in it: a film's own name would tell that it came before.
    """
    found = _item(site, session, study, position)
    answer = found.answer
    item = f"/api/v1/reading/{study}/items/{position}"
    return {
        "position": found.position,
        "views": [f"{item}/films/{place}/view" for place in range(len(found.films))],
        "taken_at": [None if at is None else at.isoformat() for at in found.taken_at],
        "answer": None
        if answer is None
        else GivenAnswer.model_validate(answer, from_attributes=True).model_dump(),
    }


def _item(site: Site, session: Session, study: str, position: int) -> ReadingItem:
    _mine(site, session, study)
    try:
        return item_at(site.records, study, session.account, position)
    except ReadingError as error:
        where = f"{study} {position}"
        record_peek(site, session.account, "an item that is over, or not begun", where)
        raise HTTPException(409, str(error)) from error


@router.put("/api/v1/reading/{study}/items/{position}")
def give_answer(
    site: SiteHere, session: SessionHere, study: str, position: int, given: GivenAnswer
) -> dict[str, Any]:
    """Record an answer; it is on the disk when this answers."""
    _mine(site, session, study)
    try:
        after = answer_item(
            site.records, study, session.account, position, Answer(**given.model_dump())
        )
    except ReadingError as error:
        raise HTTPException(409, str(error)) from error
    return _as_dict(after)


@router.post("/api/v1/reading/{study}/end-sitting")
def close_sitting(site: SiteHere, session: SessionHere, study: str) -> dict[str, Any]:
    """Lock what was answered so far; there is no way back behind it."""
    _mine(site, session, study)
    try:
        return _as_dict(end_sitting(site.records, study, session.account))
    except ReadingError as error:
        raise HTTPException(409, str(error)) from error


@router.get("/api/v1/reading/{study}/items/{position}/films/{place}/view", response_class=Response)
def item_view(
    site: SiteHere,
    session: SessionHere,
    study: str,
    position: int,
    place: Annotated[int, Path(ge=0, le=1)],
    size: ViewSize = ViewSize.SCREEN,
) -> Response:
    """Return a film of an item that may be seen now; of a pair 0 is the left one."""
    films = _item(site, session, study, position).films
    if place >= len(films):
        raise HTTPException(404, "no such film")
    return _view(site, films[place], size)


@router.get("/api/v1/reading/{study}/examples/{film}/view", response_class=Response)
def example_view(
    site: SiteHere,
    session: SessionHere,
    study: str,
    film: str,
    size: ViewSize = ViewSize.SCREEN,
) -> Response:
    """Return an example film of a study."""
    _mine(site, session, study)
    examples = {item.id for item in study_films(site.records, study) if item.example}
    if film not in examples:
        record_peek(site, session.account, "a film that is no example of a study", film)
        raise HTTPException(404, "no such film")
    return _view(site, film, size)


def _view(site: Site, film: str, size: ViewSize) -> Response:
    """Return a film for the viewer: pixels only, nothing of its header."""
    path = site.films.derived(film) / size.value
    if not path.is_file():
        raise HTTPException(404, "no such film")
    return SentFile(path, media_type="application/octet-stream")
