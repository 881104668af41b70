"""Corrections by a person: patients merged and split, studies re-dated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarResult, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.errors import ConflictError, RecordsError
from pneumoscore.records.identity import find_patient
from pneumoscore.records.rows import actor_name, add_audit, next_id
from pneumoscore.records.schema import films, patients, studies

__all__ = ["merge_patients", "redate_study", "split_patient"]


def merge_patients(records: Records, gone: str, kept: str, *, actor: str | None = None) -> None:
    """Record that two identifiers are one patient.

    The films of `gone` move to `kept`, and its events and notes are shown there; films that
    name `gone` from now on are recorded under `kept`. Undone by `split_patient`.

    Raises
    ------
    ConflictError
        If one patient's times are dates and the other's are days.
    RecordsError
        If there is no such patient, or both are one already.
    """
    with records.writing() as connection:
        old, new = find_patient(connection, gone), find_patient(connection, kept)
        if old.id == new.id:
            raise RecordsError("the two identifiers are one patient already", "two patients")
        if old.calendar != new.calendar:
            raise ConflictError(
                "one patient's films are known by date, the other's by day",
                "one way of counting time",
            )
        moved: ScalarResult[str] = connection.execute(
            select(studies.c.uid).where(studies.c.patient_id == old.id).order_by(studies.c.id)
        ).scalars()
        details = {"gone": gone, "kept": kept, "studies": list(moved)}
        connection.execute(
            update(studies).where(studies.c.patient_id == old.id).values(patient_id=new.id)
        )
        # Also those that were merged into `gone` before.
        both = (patients.c.id == old.id) | (patients.c.merged_into == old.id)
        connection.execute(update(patients).where(both).values(merged_into=new.id))
        for patient_id in (old.id, new.id):
            add_audit(connection, actor or actor_name(), "merge", details, patient_id)


def split_patient(
    records: Records,
    patient: str,
    study_uids: Sequence[str],
    into: str,
    *,
    actor: str | None = None,
) -> None:
    """Move studies of one patient to another, who is made if need be.

    A later import leaves the studies where they were put. Events and notes stay with the
    identifier they were written for. If `into` was merged into `patient`, it is a patient of
    its own again.

    Raises
    ------
    RecordsError
        If a patient or study is unknown, or `into` is `patient`.
    """
    with records.writing() as connection:
        old = find_patient(connection, patient)
        found = (studies.c.patient_id == old.id) & studies.c.uid.in_(list(study_uids))
        ids: Sequence[int] = connection.execute(select(studies.c.id).where(found)).scalars().all()
        if not study_uids or len(ids) != len(set(study_uids)):
            raise RecordsError(
                f"{len(ids)} of {len(set(study_uids))} studies are the patient's",
                "Study Instance UIDs of the patient",
                "`pneumoscore patient changes` lists them",
            )
        who = actor or actor_name()
        details = {"patient": patient, "into": into, "studies": sorted(set(study_uids))}
        number = add_audit(connection, who, "split", details, old.id)
        target = _target_of_split(connection, old, into, number)
        connection.execute(
            update(studies).where(studies.c.id.in_(ids)).values(patient_id=target, moved=True)
        )
        _part_twins(connection)
        add_audit(connection, who, "split", details, target)


def _part_twins(connection: Connection) -> None:
    """Let films count for themselves whose twin is another patient's now."""
    first = films.alias()
    apart = (
        select(first.c.id)
        .where(first.c.id == films.c.duplicate_of, first.c.patient_id != films.c.patient_id)
        .exists()
    )
    connection.execute(update(films).where(apart).values(duplicate_of=None))


def _target_of_split(connection: Connection, old: Any, into: str, audit_id: int) -> int:
    name, _, issuer = into.partition("^^^")
    named = (patients.c.key == name) & (patients.c.issuer == issuer)
    row = connection.execute(select(patients).where(named)).one_or_none()
    if row is None:
        number = next_id(connection, patients)
        connection.execute(
            insert(patients),
            {
                "id": number,
                "key": name,
                "issuer": issuer,
                "sex": None,
                "birth_date": None,
                "calendar": old.calendar,
                "merged_into": None,
                "audit_id": audit_id,
            },
        )
        return number
    if row.id == old.id:
        raise RecordsError("the studies are that patient's already", "another identifier")
    if row.merged_into is not None:
        if row.merged_into != old.id:
            raise ConflictError(
                "that identifier is merged into a third patient", "one that is not merged"
            )
        connection.execute(update(patients).where(patients.c.id == row.id).values(merged_into=None))
    if row.calendar != old.calendar:
        raise ConflictError(
            "one patient's films are known by date, the other's by day", "one way of counting time"
        )
    return int(row.id)


def redate_study(
    records: Records,
    study_uid: str,
    first_film_at: datetime,
    *,
    calendar: bool = True,
    actor: str | None = None,
) -> None:
    """Move a study in time: its first film to `first_film_at`, the others along with it.

    A later import leaves the study where it was put. `calendar` says whether the time is a
    date, as the patient's other times must be.

    Raises
    ------
    RecordsError
        If there is no such study.
    ConflictError
        If the patient's times are of the other kind.
    """
    with records.writing() as connection:
        study = connection.execute(select(studies).where(studies.c.uid == study_uid)).one_or_none()
        if study is None:
            raise RecordsError("no study of this UID is recorded", "a Study Instance UID")
        dated = select(patients.c.calendar).where(patients.c.id == study.patient_id)
        if connection.execute(dated).scalar_one() != calendar:
            raise ConflictError(
                f"the time is a {'date' if calendar else 'day'}, the patient's others are not",
                "one way of counting time for each patient",
            )
        rows = connection.execute(
            select(films).where(films.c.study_id == study.id).order_by(films.c.taken_at)
        ).all()
        shift = first_film_at - rows[0].taken_at
        for row in rows:
            moved = update(films).where(films.c.id == row.id)
            connection.execute(moved.values(taken_at=row.taken_at + shift))
        connection.execute(update(studies).where(studies.c.id == study.id).values(redated=True))
        details = {
            "by": "person",
            "study": study_uid,
            "films": len(rows),
            "from": rows[0].taken_at,
            "to": first_film_at,
        }
        add_audit(connection, actor or actor_name(), "redate", details, study.patient_id)
