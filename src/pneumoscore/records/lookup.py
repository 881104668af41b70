"""Looking up patients and films by their rows: what pages name without an identifier."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from pneumoscore.records.database import Records
from pneumoscore.records.identity import patient_name
from pneumoscore.records.rows import batched
from pneumoscore.records.schema import films, patients, thumbnails

__all__ = [
    "PatientEntry",
    "RecordedFilm",
    "find_recorded_film",
    "list_patients",
    "number_holds",
    "patient_numbered",
    "patients_of_films",
]

_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class PatientEntry:
    """One patient of the records, as a list shows them.

    Attributes
    ----------
    id : int
        Within the records: says nothing of who it is.
    patient, issuer : str
        Number, and who gave it.
    sex : str or None
        As the films say.
    birth_date : date or None
        As the films say.
    calendar : bool
        Whether times are dates.
    films : int
        Exposures, further files of one left out.
    first_at, last_at : datetime or None
        Of the films; None without one.
    """

    id: int
    patient: str
    issuer: str
    sex: str | None
    birth_date: date | None
    calendar: bool
    films: int
    first_at: datetime | None
    last_at: datetime | None

    @property
    def name(self) -> str:
        """Number with its issuer, as `patient_name` writes it."""
        return patient_name(self.patient, self.issuer)


@dataclass(frozen=True, slots=True)
class RecordedFilm:
    """Where one film came from, and its small picture.

    Attributes
    ----------
    id, patient_id : int
        Within the records.
    uid : str
        SOP Instance UID, or a stand-in.
    file, file_sha256 : str or None
        Where it was read, and the hash of its bytes.
    thumbnail : bytes or None
        JPEG of the newest model that has one.
    """

    id: int
    patient_id: int
    uid: str
    file: str | None
    file_sha256: str | None
    thumbnail: bytes | None


def _entries() -> Select[Any]:
    counted = (films.c.patient_id == patients.c.id) & films.c.duplicate_of.is_(None)
    return (
        select(
            patients,
            func.count(films.c.id).label("exposures"),
            func.min(films.c.taken_at).label("first_at"),
            func.max(films.c.taken_at).label("last_at"),
        )
        .outerjoin(films, counted)
        .where(patients.c.merged_into.is_(None))
        .group_by(*patients.c)
    )


def _entry(row: Any) -> PatientEntry:
    return PatientEntry(
        row.id,
        row.key,
        row.issuer,
        row.sex,
        row.birth_date,
        row.calendar,
        row.exposures,
        row.first_at,
        row.last_at,
    )


def number_holds(part: str) -> ColumnElement[bool]:
    """Return the condition on `patients` that a number holds a part of it.

    Parameters
    ----------
    part : str
        Of the patient's number, or of one merged into it; case is ignored.
    """
    wanted = part.strip().lower()
    safe = wanted.replace(_ESCAPE, _ESCAPE * 2).replace("%", "\\%").replace("_", "\\_")
    other = patients.alias()
    merged = select(other.c.merged_into).where(
        other.c.merged_into.is_not(None),
        func.lower(other.c.key).like(f"%{safe}%", escape=_ESCAPE),
    )
    named = func.lower(patients.c.key).like(f"%{safe}%", escape=_ESCAPE)
    return or_(named, patients.c.id.in_(merged))


def list_patients(
    records: Records, containing: str = "", *, limit: int = 50
) -> tuple[PatientEntry, ...]:
    """Return patients, those with the newest film first.

    Parameters
    ----------
    records : Records
        Open.
    containing : str, optional
        Only patients whose number, or one merged into theirs, holds this; case is ignored.
    limit : int, optional
        At most so many.
    """
    statement = _entries()
    if containing.strip():
        statement = statement.where(number_holds(containing))
    newest = func.max(films.c.taken_at)
    statement = statement.order_by(newest.is_(None), newest.desc(), patients.c.id).limit(limit)
    with records.reading() as connection:
        return tuple(_entry(row) for row in connection.execute(statement))


def patient_numbered(records: Records, number: int) -> PatientEntry | None:
    """Return a patient by the row's number; of one that was merged, the one it was merged into."""
    with records.reading() as connection:
        kept = connection.execute(
            select(func.coalesce(patients.c.merged_into, patients.c.id)).where(
                patients.c.id == number
            )
        ).scalar()
        if kept is None:
            return None
        row = connection.execute(_entries().where(patients.c.id == kept)).one()
    return _entry(row)


def find_recorded_film(records: Records, patient_id: int, number: int) -> RecordedFilm | None:
    """Return a film of a patient by the row's number; None if it is not theirs."""
    with records.reading() as connection:
        row = connection.execute(
            select(films).where(films.c.id == number, films.c.patient_id == patient_id)
        ).first()
        if row is None:
            return None
        picture = connection.execute(
            select(thumbnails.c.jpeg)
            .where(thumbnails.c.film_id == number)
            .order_by(thumbnails.c.model_id.desc())
            .limit(1)
        ).scalar()
    jpeg = None if picture is None else bytes(picture)
    return RecordedFilm(row.id, row.patient_id, row.uid, row.file, row.file_sha256, jpeg)


def patients_of_films(
    records: Records,
    *,
    uids: Collection[str] = (),
    file_hashes: Collection[str] = (),
    pixel_hashes: Collection[str] = (),
    numbers: Collection[str] = (),
) -> frozenset[int]:
    """Return the patients to whom films belong that any of these names.

    Parameters
    ----------
    records : Records
        Open.
    uids, file_hashes, pixel_hashes : collection of str
        Of films, as `FilmRecord` has them.
    numbers : collection of str
        Of patients, whoever gave them.
    """
    found: set[int] = set()
    with records.reading() as connection:
        for column, values in (
            (films.c.uid, uids),
            (films.c.file_sha256, file_hashes),
            (films.c.pixel_sha256, pixel_hashes),
        ):
            found |= _ids(connection, films.c.patient_id, column, values)
        kept = func.coalesce(patients.c.merged_into, patients.c.id)
        found |= _ids(connection, kept, patients.c.key, numbers)
    return frozenset(found)


def _ids(connection: Connection, wanted: Any, column: Any, values: Collection[str]) -> set[int]:
    found: set[int] = set()
    for group in batched(sorted(values), 500):
        found.update(connection.execute(select(wanted).where(column.in_(group))).scalars())
    return found
