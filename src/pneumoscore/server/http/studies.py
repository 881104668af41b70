"""Studies made, opened, locked and unblinded by their owner."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from pneumoscore.present.table import Table
from pneumoscore.records.choice import recorded_views
from pneumoscore.server.accounts import Role, list_accounts
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.owned import owned_study, study_shown
from pneumoscore.server.http.pages import page
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.agreement import kept_agreement
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.results import read_results
from pneumoscore.server.reading.stages import lock_study, open_study, unblind_study
from pneumoscore.server.reading.steps import create_study, set_options, set_readers
from pneumoscore.server.reading.study import StudyState, list_studies, study_films, study_readers

__all__ = ["router"]

router = APIRouter()


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
    return study_shown(create_study(site.records, session.account, name, StudyOptions()))


@router.get("/studies/{study}")
def study_page(request: Request, site: SiteHere, session: SessionHere, study: str) -> Response:
    """Show a study to its owner: what may be seen in its state, and no more."""
    found = owned_study(site, session, study)
    tables: tuple[Table, ...] = ()
    if found.state in (StudyState.LOCKED, StudyState.UNBLINDED):
        tables = kept_agreement(site, found, read_results(site.records, study))
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
        views=recorded_views(site.records) if found.state is StudyState.DRAFT else (),
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
    before = owned_study(site, session, study).options
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
    return study_shown(study)


@router.post("/studies/{study}/readers")
def change_readers(
    site: SiteHere,
    session: SessionHere,
    study: str,
    reader: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Say who reads a draft."""
    owned_study(site, session, study)
    wanted = set(reader or ())
    chosen = [item for item in list_accounts(site.records) if item.id in wanted]
    set_readers(site.records, study, chosen, actor=session.account.name)
    return study_shown(study)


@router.post("/studies/{study}/open")
def begin(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Let the reading begin."""
    owned_study(site, session, study)
    open_study(site.records, study, actor=session.account.name)
    return study_shown(study)


@router.post("/studies/{study}/lock")
def lock(
    site: SiteHere,
    session: SessionHere,
    study: str,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """End the reading for good."""
    owned_study(site, session, study)
    lock_study(site.records, study, actor=session.account.name, reason=reason)
    return study_shown(study)


@router.post("/studies/{study}/unblind")
def unblind(site: SiteHere, session: SessionHere, study: str) -> Response:
    """Let the model's scores be seen; the audit says who did it and when."""
    owned_study(site, session, study)
    try:
        unblind_study(site.records, study, actor=session.account.name)
    except ReadingError:
        record_peek(site, session.account, "unblinding of a study before its time", study)
        raise
    return study_shown(study)
