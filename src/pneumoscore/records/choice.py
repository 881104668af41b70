"""Films chosen among those that the records hold, by what is known of them beside their scores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Select, select

from pneumoscore.records.database import Records
from pneumoscore.records.lookup import number_holds
from pneumoscore.records.schema import films, patients

__all__ = ["ChosenFilm", "FilmChoice", "choose_films", "chosen_film", "recorded_views"]


@dataclass(frozen=True, slots=True)
class FilmChoice:
    """Which films of the records; scores are no part of it.

    Attributes
    ----------
    since, until : date or None
        First and last day on which they were acquired, both included.
    views : frozenset of str
        Projections; ``""`` for films that state none. Empty for all.
    number : str
        Part of the patient's number, or of one merged into it; case is ignored.
    """

    since: date | None = None
    until: date | None = None
    views: frozenset[str] = frozenset()
    number: str = ""

    @property
    def dated(self) -> bool:
        """Whether it asks for dates."""
        return self.since is not None or self.until is not None


@dataclass(frozen=True, slots=True)
class ChosenFilm:
    """One film of the records: whose, when, and where it was read.

    Attributes
    ----------
    id, patient_id : int
        Within the records.
    patient : str
        The patient's number.
    uid : str
        SOP Instance UID, or a stand-in.
    taken_at : datetime or None
        When it was acquired; None for patients whose films are known by day alone.
    day : date
        On which it was acquired; for patients whose films are known by day alone, what stands
        for that day of their stay.
    view : str or None
        Projection.
    file, file_sha256, pixel_sha256 : str or None
        Where it was read, and hashes of the file and of its pixels.
    """

    id: int
    patient_id: int
    patient: str
    uid: str
    taken_at: datetime | None
    day: date
    view: str | None
    file: str | None
    file_sha256: str | None
    pixel_sha256: str | None


def _films() -> Select[Any]:
    """Select films; further files of one exposure are left out."""
    return (
        select(films, patients.c.key, patients.c.calendar)
        .join(patients, patients.c.id == films.c.patient_id)
        .where(films.c.duplicate_of.is_(None))
    )


def _film(row: Any) -> ChosenFilm:
    return ChosenFilm(
        row.id,
        row.patient_id,
        row.key,
        row.uid,
        row.taken_at if row.calendar else None,
        row.taken_at.date(),
        row.view,
        row.file,
        row.file_sha256,
        row.pixel_sha256,
    )


def choose_films(records: Records, choice: FilmChoice) -> tuple[tuple[ChosenFilm, ...], int]:
    """Return the films that a choice fits, in the order of the records.

    Parameters
    ----------
    records : Records
        Open.
    choice : FilmChoice
        Which.

    Returns
    -------
    tuple of ChosenFilm
        One for each exposure.
    int
        Films that fit but for the dates asked for, because they are known by day alone.
    """
    statement = _films().order_by(films.c.id)
    if choice.number.strip():
        statement = statement.where(number_holds(choice.number))
    with records.reading() as connection:
        rows = connection.execute(statement).all()
    found = [_film(row) for row in rows]
    if choice.views:
        found = [film for film in found if (film.view or "") in choice.views]
    if not choice.dated:
        return tuple(found), 0
    dated = [film for film in found if film.taken_at is not None]
    first = datetime.combine(choice.since or date.min, time.min)
    last = datetime.combine(choice.until or date.max, time.max)
    fits = tuple(film for film in dated if film.taken_at and first <= film.taken_at <= last)
    return fits, len(found) - len(dated)


def chosen_film(records: Records, number: int) -> ChosenFilm | None:
    """Return a film by the row's number; None if there is none, or it is a further file of one."""
    with records.reading() as connection:
        row = connection.execute(_films().where(films.c.id == number)).first()
    return None if row is None else _film(row)


def recorded_views(records: Records) -> tuple[str, ...]:
    """Return the projections of the films of the records; ``""`` last, where one has none."""
    statement = select(films.c.view).where(films.c.duplicate_of.is_(None)).distinct()
    with records.reading() as connection:
        found = {row.view or "" for row in connection.execute(statement)}
    return tuple(sorted(found, key=lambda view: (view == "", view)))
