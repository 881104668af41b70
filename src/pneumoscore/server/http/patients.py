"""Patients over time: found, followed, compared film by film."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Path, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from pneumoscore.monitor.change.rules import read_rules
from pneumoscore.monitor.forms import judged_form
from pneumoscore.monitor.judged import Judged, judged_timeline
from pneumoscore.monitor.pictures.labels import event_label, when
from pneumoscore.monitor.pictures.page import advice_parts, change_tables, notes_tables
from pneumoscore.records.lookup import (
    PatientEntry,
    RecordedFilm,
    find_recorded_film,
    list_patients,
    patient_numbered,
)
from pneumoscore.records.types import EVENT_KINDS, TimelineFilm
from pneumoscore.server.accounts import Role
from pneumoscore.server.follow.films import film_views
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.films import ViewSize
from pneumoscore.server.http.pages import page
from pneumoscore.server.http.sent_file import SentFile
from pneumoscore.server.peeks import record_peek
from pneumoscore.server.reading.blinding import withheld_patients
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["Row", "entry_seen", "patient_answer", "printed_words", "router"]

router = APIRouter()
_LISTED = 50
Row = Annotated[int, Path(ge=1, le=2**62)]
"""A row's number: it says nothing of who the patient is, so it may stand in a URL."""


def entry_seen(site: Site, session: Session, number: int) -> PatientEntry:
    """Return a patient whose scores this account may see now."""
    entry = patient_numbered(site.records, number)
    if entry is None:
        raise HTTPException(404, "no such patient")
    if entry.id in withheld_patients(site.records, session.account):
        record_peek(site, session.account, "a patient of a blinded study", str(entry.id))
        raise HTTPException(
            403,
            "films of this patient are read blinded; nothing of the patient is shown to you "
            "until the study is unblinded",
        )
    return entry


def _judged(site: Site, entry: PatientEntry, *, pictures: bool = False) -> Judged:
    rules = read_rules(site.options.rules)
    return judged_timeline(site.records, entry.id, rules, pictures=pictures)


def _list(request: Request, site: Site, session: Session, wanted: str) -> Response:
    return page(
        request,
        "patients.html",
        title="Patients",
        wanted=wanted,
        patients=list_patients(site.records, wanted, limit=_LISTED),
        hidden=withheld_patients(site.records, session.account),
        most=_LISTED,
        when=when,
    )


@router.get("/patients")
def patients_page(request: Request, site: SiteHere, session: SessionHere) -> Response:
    """Show the patients with the newest films, and where others are looked for."""
    return _list(request, site, session, "")


@router.post("/patients")
def find_patients(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    number: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Look for patients by a part of their number, which never stands in the URL."""
    return _list(request, site, session, printed_words(number))


@router.get("/patients/{patient}")
def patient_page(request: Request, site: SiteHere, session: SessionHere, patient: Row) -> Response:
    """Show one patient: advice, scores, timeline, films, verdicts, events."""
    return patient_answer(request, site, session, entry_seen(site, session, patient))


def patient_answer(
    request: Request,
    site: Site,
    session: Session,
    entry: PatientEntry,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    """Answer with a patient's page, and with what was wrong with what was sent."""
    judged = _judged(site, entry, pictures=True)
    timeline, verdict = judged.timeline, judged.verdict
    model = timeline.model
    tables = change_tables(timeline, verdict)
    parts = () if verdict is None else verdict.scales
    return page(
        request,
        "patient.html",
        status,
        title=entry.name,
        entry=entry,
        problem=problem,
        advice=None if verdict is None else advice_parts(verdict.advice),
        not_judged=judged.problem,
        latest=_latest(judged),
        films=[_film(film, entry.calendar) for film in timeline.films],
        scales=[
            (scale_named(part.scale).title, advice_parts(part.advice), table, remarks)
            for part, (table, remarks) in zip(parts, tables, strict=True)
        ],
        events=[
            {
                "kind": event.kind,
                "at": event.at.isoformat(),
                "when": when(event.at, entry.calendar),
                "label": event_label(event.kind),
                "detail": event.detail,
            }
            for event in timeline.events
        ],
        kinds={kind: event_label(kind) for kind in EVENT_KINDS},
        notes=notes_tables(timeline),
        not_comparable=len(timeline.not_comparable),
        model="" if model is None else f"{model.identity.name} {model.identity.version}",
        may_write=session.account.role.includes(Role.OWNER),
    )


def _latest(judged: Judged) -> list[dict[str, Any]]:
    """Return the last film's score on each scale, as templates draw it."""
    scored = [film for film in judged.timeline.films if film.values]
    if not scored:
        return []
    verdicts = {} if judged.verdict is None else {p.scale: p for p in judged.verdict.scales}
    found = []
    for name, value in scored[-1].values.items():
        part = verdicts.get(name)
        if judged.verdict is not None and part is None:
            continue
        pair = part.pairs[-1] if part is not None and part.pairs else None
        found.append(
            {
                "when": when(scored[-1].taken_at, judged.timeline.calendar),
                "scale": scale_named(name),
                "value": value.value,
                "low": value.low,
                "high": value.high,
                "level": value.level,
                "right": value.right,
                "left": value.left,
                "change": pair,
            }
        )
    return found


def _film(film: TimelineFilm, calendar: bool) -> dict[str, Any]:
    return {
        "id": film.id,
        "when": when(film.taken_at, calendar),
        "view": film.view or "",
        "scores": [
            (scale_named(name).title, film.values[name].value)
            for name in ("geographic_extent", "opacity")
            if name in film.values
        ],
        "flags": film.flags,
        "pictured": film.thumbnail is not None,
    }


@router.get("/patients/{patient}/timeline.svg", response_class=Response)
def chart(site: SiteHere, session: SessionHere, patient: Row) -> Response:
    """Return the timeline's chart."""
    judged = _judged(site, entry_seen(site, session, patient))
    return Response(site.drawings.chart(judged), media_type="image/svg+xml")


def printed_words(text: str) -> str:
    """Return text that a person typed, without signs that no database takes."""
    return "".join(sign for sign in text if sign.isprintable()).strip()


@router.get("/api/v1/patients")
def patients(site: SiteHere, session: SessionHere) -> list[dict[str, Any]]:
    """Return the patients with the newest films; ``withheld`` where they are read blinded."""
    hidden = withheld_patients(site.records, session.account)
    return [
        {
            "id": entry.id,
            "patient": entry.patient,
            "issuer": entry.issuer,
            "films": entry.films,
            "withheld": entry.id in hidden,
            "notice": RESEARCH_NOTICE,
        }
        for entry in list_patients(site.records, limit=1000)
    ]


@router.get("/api/v1/patients/{patient}")
def patient(site: SiteHere, session: SessionHere, patient: Row) -> dict[str, Any]:
    """Return a patient's trajectory with its verdicts, as ``patient changes --json`` prints it."""
    return judged_form(_judged(site, entry_seen(site, session, patient)))


def _recorded(site: Site, session: Session, patient: int, film: int) -> RecordedFilm:
    found = find_recorded_film(site.records, entry_seen(site, session, patient).id, film)
    if found is None:
        raise HTTPException(404, "no such film")
    return found


@router.get("/api/v1/patients/{patient}/films/{film}/thumbnail", response_class=Response)
def thumbnail(site: SiteHere, session: SessionHere, patient: Row, film: Row) -> Response:
    """Return a film's small picture with its map."""
    found = _recorded(site, session, patient, film)
    if found.thumbnail is None:
        raise HTTPException(404, "of this film no small picture is kept")
    return Response(found.thumbnail, media_type="image/jpeg")


@router.get("/api/v1/patients/{patient}/films/{film}/view", response_class=Response)
async def recorded_view(
    site: SiteHere,
    session: SessionHere,
    patient: Row,
    film: Row,
    size: ViewSize = ViewSize.SCREEN,
) -> Response:
    """Return a film's grey levels, as long as it is there: as an upload, or where it was read."""
    found = await run_in_threadpool(_recorded, site, session, patient, film)
    folder = await film_views(site, found)
    if folder is None:
        raise HTTPException(404, "the film itself is not kept here any more")
    return SentFile(folder / size.value, media_type="application/octet-stream")
