"""Events of a patient: recorded, corrected and taken back on the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from pneumoscore.errors import PneumoScoreError
from pneumoscore.monitor.pictures.labels import drawable_time, parse_time
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.events import add_events, change_event, remove_event
from pneumoscore.records.lookup import PatientEntry
from pneumoscore.records.types import EventRecord
from pneumoscore.server.http.door import SessionHere, SiteHere
from pneumoscore.server.http.patients import Row, entry_seen, patient_answer, printed_words
from pneumoscore.server.sessions import Session
from pneumoscore.server.site import Site

__all__ = ["router"]

router = APIRouter()
Kind = Annotated[str, Form(max_length=40)]
Time = Annotated[str, Form(max_length=40)]
Detail = Annotated[str, Form(max_length=500)]


@router.post("/patients/{patient}/events")
def record_event(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    patient: Row,
    kind: Kind,
    at: Time,
    detail: Detail = "",
) -> Response:
    """Record what happened to a patient."""

    def write(entry: PatientEntry, actor: str) -> None:
        add_events(site.records, [_event(entry, kind, at, detail)], actor=actor)

    return _written(request, site, session, patient, write)


@router.post("/patients/{patient}/events/change")
def correct_event(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    patient: Row,
    old_kind: Kind,
    old_at: Time,
    kind: Kind,
    at: Time,
    detail: Detail = "",
) -> Response:
    """Correct an event; the audit keeps what it was."""

    def write(entry: PatientEntry, actor: str) -> None:
        event = _event(entry, kind, at, detail)
        change_event(site.records, printed_words(old_kind), _stored(old_at), event, actor=actor)

    return _written(request, site, session, patient, write)


@router.post("/patients/{patient}/events/remove")
def take_event_back(
    request: Request,
    site: SiteHere,
    session: SessionHere,
    patient: Row,
    old_kind: Kind,
    old_at: Time,
) -> Response:
    """Take back an event that was recorded wrongly; the audit keeps that it was."""

    def write(entry: PatientEntry, actor: str) -> None:
        kind = printed_words(old_kind)
        remove_event(site.records, entry.id, kind, _stored(old_at), actor=actor)

    return _written(request, site, session, patient, write)


def _written(
    request: Request,
    site: Site,
    session: Session,
    patient: int,
    write: Callable[[PatientEntry, str], None],
) -> Response:
    """Write for a patient whom this account may see, and lead back to the events."""
    entry = entry_seen(site, session, patient)
    try:
        write(entry, session.account.name)
    except PneumoScoreError as error:
        return patient_answer(request, site, session, entry, problem=str(error), status=400)
    return RedirectResponse(f"/patients/{entry.id}#events", 303)


def _event(entry: PatientEntry, kind: str, at: str, detail: str) -> EventRecord:
    return EventRecord(entry.id, kind, _time(entry, at), printed_words(detail))


def _time(entry: PatientEntry, text: str) -> datetime:
    """Return a time that a person gave for this patient."""
    try:
        at, calendar = parse_time(text)
    except (ValueError, OverflowError):
        raise RecordsError(f"{text!r} is no time", "2026-03-01 14:30, or day 3") from None
    if calendar != entry.calendar:
        raise RecordsError(
            f"{text!r} is a {'date' if calendar else 'day'}, the films of this patient are not",
            "a date, as 2026-03-01 14:30" if entry.calendar else "a day of the stay, as day 3",
        )
    if calendar and not drawable_time(at):
        raise RecordsError(f"{text!r} lies beyond a life", "a time of this patient's stay")
    return at


def _stored(text: str) -> datetime:
    """Return the time of an event as the page names it."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RecordsError(f"{text!r} is no time of an event", "one of those listed") from None
    if at.tzinfo is not None:
        raise RecordsError(f"{text!r} has a time zone", "one of those listed")
    return at
