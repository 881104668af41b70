"""Studies made, opened, locked, unblinded and handed on by their owner."""

from __future__ import annotations

import io
import secrets
import zipfile
from functools import lru_cache, partial
from typing import Annotated, Any
from urllib.parse import unquote

from anyio import to_thread
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from pneumoscore.files import program_mark
from pneumoscore.present.table import Table
from pneumoscore.records.rows import add_audit
from pneumoscore.server.accounts import Role, list_accounts
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.films.intake import receive_film, shown_name
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.films import FilmName, declared_length
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.patience import in_time
from pneumoscore.server.http.sent_file import SentFile
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.agreement import agreement_tables
from pneumoscore.server.reading.handover import write_handover
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.results import StudyResults, read_results
from pneumoscore.server.reading.sample_size import (
    Assumptions,
    PlannedPrecision,
    plan_precision,
    precision_table,
)
from pneumoscore.server.reading.sealing import take_study_film
from pneumoscore.server.reading.steps import (
    create_study,
    drop_film,
    lock_study,
    open_study,
    set_options,
    set_readers,
    unblind_study,
)
from pneumoscore.server.reading.study import (
    ReaderStudy,
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
_KEPT = 32
"""Studies whose agreement is kept in memory."""


def _owned(site: Site, session: Session, study: str) -> ReaderStudy:
    found = find_study(site.records, study)
    if found is None or found.owner_id != session.account.id:
        record_peek(site, session.account, "a study of somebody else, or none", study)
        raise HTTPException(404, "no such study")
    return found


def _there(study: str) -> Response:
    return RedirectResponse(f"/studies/{study}", 303)


@router.get("/studies")
def studies_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show one's own studies."""
    mine = [
        study
        for study in list_studies(site.records, session.account)
        if study.owner_id == session.account.id
    ]
    return page(request, "studies.html", title="Studies", studies=mine)


@router.post("/studies")
def make_study(
    site: SiteHere, session: SessionHere, name: Annotated[str, Form(max_length=200)]
) -> Response:
    """Make a draft."""
    return _there(create_study(site.records, session.account, name, StudyOptions()))


@router.get("/studies/{study}")
def study_page(request: Request, site: SiteHere, session: SessionHere, study: str) -> Response:
    """Show a study to its owner: what may be seen in its state, and no more."""
    found = _owned(site, session, study)
    tables: list[Any] = []
    if found.state in (StudyState.LOCKED, StudyState.UNBLINDED):
        tables = list(_agreement(site, found, read_results(site.records, study)))
    return page(
        request,
        "study.html",
        title=found.name,
        study=found,
        films=study_films(site.records, study),
        readers=study_readers(site.records, study),
        candidates=[
            account
            for account in list_accounts(site.records)
            if account.role.includes(Role.READER) and not account.disabled
        ],
        tables=tables,
    )


@router.post("/studies/{study}/options")
def change_options(
    site: SiteHere,
    session: SessionHere,
    study: str,
    instructions: Annotated[str, Form(max_length=8000)] = "",
    repeats: Annotated[float, Form(ge=0.0, le=100.0)] = 10.0,
    distance: Annotated[int, Form(ge=1, le=10_000)] = 10,
    pairs: Annotated[bool, Form()] = False,
    reversed_pairs: Annotated[float, Form(ge=0.0, le=100.0)] = 100.0,
    hide_dates: Annotated[bool, Form()] = False,
    sitting: Annotated[int, Form(ge=0, le=10_000)] = 25,
) -> Response:
    """Say how a draft will be read; shares come in per cent."""
    before = _owned(site, session, study).options
    options = StudyOptions(
        instructions,
        repeats / 100.0,
        distance,
        pairs,
        reversed_pairs / 100.0,
        hide_dates,
        sitting,
        before.seed,
    )
    set_options(site.records, study, options, actor=session.account.name)
    return _there(study)


@router.post("/studies/{study}/readers")
def change_readers(
    site: SiteHere,
    session: SessionHere,
    study: str,
    reader: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Say who reads a draft."""
    _owned(site, session, study)
    wanted = set(reader or ())
    chosen = [item for item in list_accounts(site.records) if item.id in wanted]
    set_readers(site.records, study, chosen, actor=session.account.name)
    return _there(study)


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
    await run_in_threadpool(_owned, site, session, study)
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
    _owned(site, session, study)
    if any(item.id == film for item in study_films(site.records, study)):
        drop_film(site.records, study, film, actor=session.account.name)
        site.films.drop(film)
    return _there(study)


@router.post("/studies/{study}/open")
def begin(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Let the reading begin."""
    _owned(site, session, study)
    open_study(site.records, study, actor=session.account.name)
    return _there(study)


@router.post("/studies/{study}/lock")
def lock(
    site: SiteHere,
    session: SessionHere,
    study: str,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """End the reading for good."""
    _owned(site, session, study)
    lock_study(site.records, study, actor=session.account.name, reason=reason)
    return _there(study)


@router.post("/studies/{study}/unblind")
def unblind(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Let the model's scores be seen; the audit says who did it and when."""
    _owned(site, session, study)
    try:
        unblind_study(site.records, study, actor=session.account.name)
    except ReadingError:
        record_peek(site, session.account, "unblinding of a study that is not locked", study)
        raise
    return _there(study)


@router.get("/studies/{study}/export.zip", response_class=Response)
def export(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Return ratings and labels in the forms that other commands take.

    Files are named by code; no patient's identifier leaves the study.
    """
    found = _owned(site, session, study)
    results = _results(site, session, study)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ratings.csv", results.ratings_csv())
        archive.writestr("labels.csv", results.labels_csv())
        for reader, twice in results.repeats_csv().items():
            archive.writestr(f"repeats-{reader}.csv", twice)
        archive.writestr("answers.csv", results.answers_csv())
        for number, table in enumerate(_agreement(site, found, results), start=1):
            archive.writestr(f"agreement-{number}.csv", table.csv())
        archive.comment = program_mark("reader study").encode("ascii")
    _exported(site, session, found, "scores")
    return Response(
        stream.getvalue(),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="study.zip"'},
    )


@router.get("/studies/{study}/films.zip", response_class=Response)
def export_films(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Return the films by code with their labels, for one command to refit the heads on."""
    found = _owned(site, session, study)
    results = _results(site, session, study)
    # Named as what was begun and not finished, so that the next start deletes what a crash left.
    target = site.films.writing(secrets.token_hex(16))
    write_handover(site.films, study_films(site.records, study), results, target)
    _exported(site, session, found, "films")
    return SentFile(
        target,
        media_type="application/zip",
        filename="study-films.zip",
        background=BackgroundTask(target.unlink, missing_ok=True),
    )


def _agreement(site: Site, study: ReaderStudy, results: StudyResults) -> tuple[Table, ...]:
    """Return the agreement of a locked study, which is simulated once."""
    key = (study.id, study.state.value)
    found = site.agreements.get(key)
    if found is None:
        if len(site.agreements) >= _KEPT:
            site.agreements.clear()
        found = site.agreements[key] = agreement_tables(results)
    return found


def _results(site: Site, session: Session, study: str) -> StudyResults:
    try:
        return read_results(site.records, study)
    except ReadingError:
        record_peek(site, session.account, "scores of a study that is not locked", study)
        raise


def _exported(site: Site, session: Session, study: ReaderStudy, what: str) -> None:
    details = {"study": study.id, "state": study.state.value, "what": what}
    with site.records.writing() as connection:
        add_audit(connection, session.account.name, "study_exported", details)


@lru_cache(maxsize=64)
def _planned(assumptions: Assumptions) -> tuple[PlannedPrecision, ...]:
    """Simulate once what is asked for again and again."""
    return plan_precision((30, 60, 100, 200), (2, 3, 5), assumptions, repeats=100)


@router.get("/sample-size")
def sample_size(
    request: Request,
    session: SessionHere,
    films_sd: float = 2.4,
    readers_sd: float = 0.3,
    error_sd: float = 0.55,
    model_sd: float = 1.1,
) -> Response:
    """Show what studies of some sizes would tell."""
    del session
    given = (films_sd, readers_sd, error_sd, model_sd)
    if not all(0.0 <= value <= 8.0 for value in given) or films_sd == 0.0:
        raise HTTPException(422, "standard deviations lie between 0 and 8 points")
    assumptions = Assumptions(*given)
    planned = _planned(assumptions)
    return page(
        request,
        "sample_size.html",
        title="Sample size",
        assumptions=assumptions,
        planned=precision_table(planned, assumptions),
    )
