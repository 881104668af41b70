"""Reading all patients at once, for the ward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarSelect, select

from pneumoscore.records.rows import batched
from pneumoscore.records.schema import films, patients, scores

__all__ = ["LatestPair", "PatientCourse", "SeriesPoint", "read_courses", "read_latest_pairs"]


@dataclass(frozen=True, slots=True)
class LatestPair:
    """A patient's last two scores on one scale.

    Attributes
    ----------
    patient_id : int
        Within the records.
    last : float
        Of the last scored film.
    before : float or None
        Of the one before it; None for a patient with one.
    """

    patient_id: int
    last: float
    before: float | None


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One film of a course.

    Attributes
    ----------
    at : datetime
        Acquisition.
    value : float
        Score.
    view : str or None
        Projection.
    flags : str
        Quality flags, with blanks between.
    """

    at: datetime
    value: float
    view: str | None
    flags: str


@dataclass(frozen=True, slots=True)
class PatientCourse:
    """A patient's course on one scale.

    Attributes
    ----------
    patient : str
        Identifier.
    calendar : bool
        Whether times are dates.
    points : tuple of SeriesPoint
        In time order.
    """

    patient: str
    calendar: bool
    points: tuple[SeriesPoint, ...]


def read_latest_pairs(
    connection: Connection, model_id: int, scale: str, since: datetime | None = None
) -> list[LatestPair]:
    """Return the last two scores of every patient that has one.

    Two walks of an index for each patient: no sorting of all films.

    Parameters
    ----------
    connection : Connection
        Of `Records.reading`.
    model_id, scale
        Whose scores, and which.
    since : datetime, optional
        Leave out patients without a film at or after this time.
    """
    last, before = (_value_from_the_end(model_id, scale, place) for place in (0, 1))
    statement = select(patients.c.id, last.label("last"), before.label("before"))
    if since is not None:
        recent = (films.c.patient_id == patients.c.id) & (films.c.taken_at >= since)
        statement = statement.where(select(films.c.id).where(recent).exists())
    return [
        LatestPair(row.id, row.last, row.before)
        for row in connection.execute(statement)
        if row.last is not None
    ]


def _value_from_the_end(model_id: int, scale: str, place: int) -> ScalarSelect[Any]:
    return (
        select(scores.c.value)
        .join(films, films.c.id == scores.c.film_id)
        .where(films.c.patient_id == patients.c.id)
        .where(scores.c.model_id == model_id, scores.c.scale == scale)
        .order_by(films.c.taken_at.desc(), films.c.id.desc())
        .limit(1)
        .offset(place)
        .correlate(patients)
        .scalar_subquery()
    )


def read_courses(
    connection: Connection, patient_ids: Sequence[int], model_id: int, scale: str
) -> dict[int, PatientCourse]:
    """Return the courses of patients by their id within the records."""
    keys: dict[int, tuple[str, bool]] = {}
    points: dict[int, list[SeriesPoint]] = {number: [] for number in patient_ids}
    for group in batched(patient_ids, 500):
        statement = (
            select(
                films.c.patient_id,
                patients.c.key,
                patients.c.calendar,
                films.c.taken_at,
                scores.c.value,
                films.c.view,
                scores.c.flags,
            )
            .join(scores, scores.c.film_id == films.c.id)
            .join(patients, patients.c.id == films.c.patient_id)
            .where(films.c.patient_id.in_(group), scores.c.model_id == model_id)
            .where(scores.c.scale == scale)
            .order_by(films.c.patient_id, films.c.taken_at, films.c.id)
        )
        for row in connection.execute(statement):
            keys[row.patient_id] = (row.key, row.calendar)
            points[row.patient_id].append(SeriesPoint(row.taken_at, row.value, row.view, row.flags))
    return {number: PatientCourse(*keys[number], tuple(points[number])) for number in patient_ids}
