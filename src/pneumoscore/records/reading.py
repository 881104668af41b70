"""Reading: timelines, the ward, patients, the audit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from pneumoscore.records.database import Records
from pneumoscore.records.days import film_times
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.identity import find_patient, patient_name
from pneumoscore.records.known import version_of
from pneumoscore.records.rows import batched
from pneumoscore.records.schema import (
    audit,
    events,
    films,
    models,
    notes,
    patients,
    scores,
    studies,
    thumbnails,
)
from pneumoscore.records.types import (
    AuditEntry,
    EventRecord,
    NoteRecord,
    ScaleValue,
    StoredModel,
    Timeline,
    TimelineFilm,
)
from pneumoscore.severity.score import ModelIdentity

__all__ = [
    "check_model",
    "files_to_rescore",
    "known_files",
    "patient_keys",
    "read_audit",
    "read_models",
    "read_timeline",
    "scored_films",
    "theirs",
]


def read_models(records: Records) -> tuple[StoredModel, ...]:
    """Return the models whose scores are recorded, the newest last."""
    with records.reading() as connection:
        return _models(connection)


def _models(connection: Connection, patient_id: int | None = None) -> tuple[StoredModel, ...]:
    statement = select(models).order_by(models.c.id)
    if patient_id is not None:
        used = (
            select(scores.c.model_id)
            .join(films, films.c.id == scores.c.film_id)
            .where(films.c.patient_id == patient_id)
        )
        statement = statement.where(models.c.id.in_(used))
    rows = connection.execute(statement)
    return tuple(
        StoredModel(
            row.id, ModelIdentity(row.name, row.version, row.backbone, row.sha256, row.reading)
        )
        for row in rows
    )


def read_timeline(
    records: Records, patient: str | int, *, model_id: int | None = None, pictures: bool = False
) -> Timeline:
    """Return one patient's trajectory by one model.

    Scores of different models are never put into one series.

    Parameters
    ----------
    records : Records
        Open.
    patient : str or int
        Identifier, or the id of a row, as `find_patient` takes it; one that was merged leads to
        the patient it was merged into.
    model_id : int, optional
        Whose scores; by default the newest model that has scored a film of this patient.
    pictures : bool, optional
        Whether to read thumbnails too.

    Raises
    ------
    RecordsError
        If there is no such patient or model.
    """
    with records.reading() as connection:
        row = find_patient(connection, patient)
        present = {item.id: item for item in _models(connection, row.id)}
        chosen = present[max(present)] if present and model_id is None else None
        if model_id is not None:
            chosen = next((item for item in _models(connection) if item.id == model_id), None)
            if chosen is None:
                raise RecordsError(f"no model {model_id} is recorded", "one that scored films")
        return Timeline(
            patient=row.key,
            issuer=row.issuer,
            birth_date=row.birth_date,
            sex=row.sex,
            calendar=row.calendar,
            model=chosen,
            other_models=tuple(item for item in present.values() if item != chosen),
            films=_timeline_films(
                connection, row.id, None if chosen is None else chosen.id, pictures
            ),
            events=_events(connection, patient_name(row.key, row.issuer), row.id),
            notes=_notes(connection, row.id),
        )


def theirs(patient_id: int) -> Select[tuple[int]]:
    """Select the ids of a patient and of those merged into it."""
    theirs = or_(patients.c.id == patient_id, patients.c.merged_into == patient_id)
    return select(patients.c.id).where(theirs)


def _timeline_films(
    connection: Connection, patient_id: int, model_id: int | None, pictures: bool
) -> tuple[TimelineFilm, ...]:
    by_model = and_(scores.c.film_id == films.c.id, scores.c.model_id == model_id)
    statement = (
        select(films, scores, studies.c.uid.label("study_uid"))
        .join(studies, studies.c.id == films.c.study_id)
        .outerjoin(scores, by_model)
        .where(films.c.patient_id == patient_id)
        .order_by(films.c.taken_at, films.c.id)
    )
    images: dict[int, bytes] = {}
    if pictures:
        by_film = and_(thumbnails.c.film_id == films.c.id, thumbnails.c.model_id == model_id)
        stored = select(films.c.id, thumbnails.c.jpeg).join(thumbnails, by_film)
        for picture in connection.execute(stored.where(films.c.patient_id == patient_id)):
            images[picture.id] = bytes(picture.jpeg)
    twins: dict[int, list[str]] = {}
    found: dict[int, TimelineFilm] = {}
    others = _other_models(connection, patient_id)
    for row in connection.execute(statement).mappings():
        number, first = row[films.c.id], row[films.c.duplicate_of]
        if first is not None:
            twins.setdefault(first, []).append(row[films.c.uid])
            continue
        film = found.get(number)
        if film is None:
            film = found[number] = TimelineFilm(
                uid=row[films.c.uid],
                study_uid=row["study_uid"],
                taken_at=row[films.c.taken_at],
                view=row[films.c.view],
                file=row[films.c.file],
                flags=tuple((row[scores.c.flags] or "").split()),
                thumbnail=images.get(number),
                utc_offset_minutes=row[films.c.utc_offset],
                other_models=tuple(sorted(others.get(number, set()) - {model_id})),
                id=number,
            )
        if row[scores.c.scale] is not None:
            film.values[row[scores.c.scale]] = _value(row)
    listed = [
        replace(film, twins=tuple(dict.fromkeys(twins.get(number, ()))))
        for number, film in found.items()
    ]
    clock = film_times((film.taken_at, film.utc_offset_minutes) for film in listed)
    return tuple(film for _, film in sorted(zip(clock, listed, strict=True), key=itemgetter(0)))


def _other_models(connection: Connection, patient_id: int) -> dict[int, set[int]]:
    statement = (
        select(scores.c.film_id, scores.c.model_id)
        .join(films, films.c.id == scores.c.film_id)
        .where(films.c.patient_id == patient_id)
        .distinct()
    )
    found: dict[int, set[int]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.film_id, set()).add(row.model_id)
    return found


def _value(row: Any) -> ScaleValue:
    names = ("scale", "value", "raw", "low", "high", "level", "right", "left")
    return ScaleValue(*(row[scores.c[name]] for name in names))


def _events(connection: Connection, key: str, patient_id: int) -> tuple[EventRecord, ...]:
    rows = connection.execute(
        select(events)
        .where(events.c.patient_id.in_(theirs(patient_id)))
        .order_by(events.c.at, events.c.id)
    )
    # Two merged identifiers may both have brought the same event.
    once = {(row.kind, row.at): EventRecord(key, row.kind, row.at, row.detail) for row in rows}
    return tuple(once.values())


def _notes(connection: Connection, patient_id: int) -> tuple[NoteRecord, ...]:
    statement = (
        select(notes, films.c.uid)
        .outerjoin(films, films.c.id == notes.c.film_id)
        .where(notes.c.patient_id.in_(theirs(patient_id)))
        .order_by(notes.c.at, notes.c.id)
    )
    return tuple(
        NoteRecord(row.at, row.author, row.text, row.uid) for row in connection.execute(statement)
    )


def scored_films(records: Records, film_uids: Iterable[str], sha256: str) -> set[str]:
    """Return which of the films have scores by the model with this hash."""
    found: set[str] = set()
    with records.reading() as connection:
        for group in batched(film_uids, 500):
            statement = (
                select(films.c.uid)
                .join(scores, scores.c.film_id == films.c.id)
                .join(models, models.c.id == scores.c.model_id)
                .where(films.c.uid.in_(group), models.c.sha256 == sha256)
            )
            found.update(connection.execute(statement).scalars())
    return found


def known_files(records: Records, hashes: Iterable[str], sha256: str) -> set[str]:
    """Return which files, by the hash of their bytes, have scores by the model with this hash."""
    found: set[str] = set()
    with records.reading() as connection:
        for group in batched(hashes, 500):
            statement = (
                select(films.c.file_sha256)
                .join(scores, scores.c.film_id == films.c.id)
                .join(models, models.c.id == scores.c.model_id)
                .where(films.c.file_sha256.in_(group), models.c.sha256 == sha256)
            )
            found.update(connection.execute(statement).scalars())
    return found


def files_to_rescore(records: Records, sha256: str, patient: str | None = None) -> list[str]:
    """Return where films were read that the model with this hash has not scored.

    Parameters
    ----------
    records : Records
        Open.
    sha256 : str
        Of the model.
    patient : str, optional
        Only this patient's.
    """
    scored = (
        select(scores.c.film_id)
        .join(models, models.c.id == scores.c.model_id)
        .where(scores.c.film_id == films.c.id, models.c.sha256 == sha256)
    )
    statement = select(films.c.file).where(films.c.file.is_not(None), ~scored.exists())
    with records.reading() as connection:
        if patient is not None:
            statement = statement.where(films.c.patient_id == find_patient(connection, patient).id)
        return list(connection.execute(statement.order_by(films.c.id)).scalars())


def check_model(records: Records, identity: ModelIdentity) -> None:
    """Refuse a model whose name and version another model in the records has.

    A model is not another one because files are read in another way: its scores are then kept
    apart from the older ones, as those of a new version would be.

    Raises
    ------
    RecordsError
        Naming both.
    """
    for item in read_models(records):
        other = item.identity
        same = version_of(other) == version_of(identity)
        if same and other.sha256 != identity.sha256:
            raise RecordsError(
                f"scores by another model {other.name} {other.version} are recorded "
                f"({other.sha256[:12]}; this one is {identity.sha256[:12]})",
                "one name and version for each model",
                "give the newer model another version",
            )


def patient_keys(records: Records) -> set[str]:
    """Return the names of all patients."""
    with records.reading() as connection:
        rows = connection.execute(select(patients.c.key, patients.c.issuer))
        return {patient_name(row.key, row.issuer) for row in rows}


def read_audit(
    records: Records, patient: str | None = None, *, limit: int = 100
) -> tuple[AuditEntry, ...]:
    """Return the audit, the newest entry last.

    Parameters
    ----------
    records : Records
        Open.
    patient : str, optional
        Only entries of this patient and of those merged into it.
    limit : int, optional
        The newest so many.
    """
    with records.reading() as connection:
        statement = select(audit, patients.c.key).outerjoin(
            patients, patients.c.id == audit.c.patient_id
        )
        if patient is not None:
            number = find_patient(connection, patient).id
            statement = statement.where(audit.c.patient_id.in_(theirs(number)))
        rows = connection.execute(statement.order_by(audit.c.id.desc()).limit(limit)).all()
    return tuple(
        AuditEntry(row.id, row.at, row.actor, row.action, row.key, json.loads(row.details))
        for row in reversed(rows)
    )
