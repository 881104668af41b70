"""Events and notes of patients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.identity import find_patient
from pneumoscore.records.reading import theirs
from pneumoscore.records.rows import actor_name, add_audit, next_id
from pneumoscore.records.schema import events, films, notes
from pneumoscore.records.types import EVENT_KINDS, EventRecord

__all__ = ["add_events", "add_note", "change_event", "remove_event"]


def add_events(records: Records, new: Sequence[EventRecord], *, actor: str | None = None) -> int:
    """Write events in one transaction; one that is there already is not written again.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    RecordsError
        If a kind or a patient is unknown; nothing is written then.
    """
    for item in new:
        _require_kind(item)
    with records.writing() as connection:
        return sum(_add(connection, item, actor or actor_name()) for item in new)


def _require_kind(event: EventRecord) -> None:
    if event.kind not in EVENT_KINDS:
        raise RecordsError(f"event {event.kind!r} is unknown", "one of " + ", ".join(EVENT_KINDS))


def _add(connection: Connection, item: EventRecord, actor: str) -> bool:
    """Write an event; returns whether it was new."""
    patient_id = find_patient(connection, item.patient).id
    same = (
        (events.c.patient_id == patient_id)
        & (events.c.kind == item.kind)
        & (events.c.at == item.at)
    )
    if connection.execute(select(events.c.id).where(same)).first() is not None:
        return False
    details = {"kind": item.kind, "at": item.at, "detail": item.detail}
    row = {
        "id": next_id(connection, events),
        "patient_id": patient_id,
        "kind": item.kind,
        "at": item.at,
        "detail": item.detail,
        "audit_id": add_audit(connection, actor, "event", details, patient_id),
    }
    connection.execute(insert(events), row)
    return True


def remove_event(
    records: Records, patient: str | int, kind: str, at: datetime, *, actor: str | None = None
) -> None:
    """Take back an event that was recorded wrongly; the audit keeps that it was.

    `patient` is as `find_patient` takes it.

    Raises
    ------
    RecordsError
        If there is no such patient or event.
    """
    with records.writing() as connection:
        _remove(connection, patient, kind, at, actor or actor_name())


def change_event(
    records: Records,
    kind: str,
    at: datetime,
    event: EventRecord,
    *,
    actor: str | None = None,
) -> None:
    """Correct an event, in one transaction; the audit keeps what it was.

    Parameters
    ----------
    records : Records
        Open.
    kind : str
        As it was recorded.
    at : datetime
        As it was recorded.
    event : EventRecord
        As it should be, with its patient.
    actor : str, optional
        Who; by default the user of this process.

    Raises
    ------
    RecordsError
        If the patient, the event, or the new kind is unknown; nothing is changed then.
    """
    _require_kind(event)
    with records.writing() as connection:
        _remove(connection, event.patient, kind, at, actor or actor_name())
        _add(connection, event, actor or actor_name())


def _remove(
    connection: Connection, patient: str | int, kind: str, at: datetime, actor: str
) -> None:
    patient_id = find_patient(connection, patient).id
    same = (
        events.c.patient_id.in_(theirs(patient_id)) & (events.c.kind == kind) & (events.c.at == at)
    )
    rows = connection.execute(select(events).where(same)).all()
    if not rows:
        raise RecordsError(
            f"the patient has no event {kind} at that time",
            "kind and time as `pneumoscore patient events` lists them",
        )
    connection.execute(delete(events).where(events.c.id.in_([row.id for row in rows])))
    details = {"kind": kind, "at": at, "detail": rows[0].detail}
    add_audit(connection, actor, "event removed", details, patient_id)


def add_note(
    records: Records,
    patient: str,
    text: str,
    *,
    film_uid: str | None = None,
    actor: str | None = None,
) -> None:
    """Write a note on a patient or on one of the patient's films; notes cannot be changed.

    Raises
    ------
    RecordsError
        If there is no such patient or film, or the text is empty.
    """
    if not text.strip():
        raise RecordsError("the note is empty", "some text")
    author = actor or actor_name()
    with records.writing() as connection:
        patient_id = find_patient(connection, patient).id
        film_id = None
        if film_uid is not None:
            found = (films.c.uid == film_uid) & (films.c.patient_id == patient_id)
            film_id = connection.execute(select(films.c.id).where(found)).scalar_one_or_none()
            if film_id is None:
                raise RecordsError("the patient has no such film", "the UID of a film of theirs")
        number = add_audit(connection, author, "note", {"film": film_uid}, patient_id)
        connection.execute(
            insert(notes),
            {
                "id": next_id(connection, notes),
                "patient_id": patient_id,
                "film_id": film_id,
                "at": datetime.now(UTC).replace(tzinfo=None),
                "author": author,
                "text": text,
                "audit_id": number,
            },
        )
