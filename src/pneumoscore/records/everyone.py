"""Reading the scores of all patients at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from pneumoscore.records.days import film_times
from pneumoscore.records.schema import events, films, patients, scores
from pneumoscore.records.types import EventRecord

__all__ = ["ScoreSeries", "SeriesPoint", "read_all_series", "read_stays"]

_STAYS = ("admission", "icu_admission", "discharge", "death")


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One film of a series.

    Attributes
    ----------
    at : datetime
        Acquisition.
    clock : datetime
        What orders it among the patient's films, and what days are counted by (`film_times`).
    value : float
        Score.
    view : str or None
        Projection.
    flags : str
        Quality flags, with blanks between.
    """

    at: datetime
    clock: datetime
    value: float
    view: str | None
    flags: str


@dataclass(frozen=True, slots=True)
class ScoreSeries:
    """A patient's scores on one scale.

    Attributes
    ----------
    id : int
        Within the records.
    patient, issuer : str
        Number, and who gave it.
    calendar : bool
        Whether times are dates.
    points : tuple of SeriesPoint
        In the order of `clock`, each exposure once.
    """

    id: int
    patient: str
    issuer: str
    calendar: bool
    points: tuple[SeriesPoint, ...]


def read_all_series(
    connection: Connection,
    model_id: int,
    scale: str,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[ScoreSeries]:
    """Return the series of every patient that has a score.

    Parameters
    ----------
    connection : Connection
        Of `Records.reading`.
    model_id, scale
        Whose scores, and which.
    since, until : datetime, optional
        Leave out patients without a film between these times. Patients whose films are known
        by day stay: nothing says how long ago their day 0 is.
    """
    statement = (
        select(
            films.c.patient_id,
            films.c.taken_at,
            films.c.utc_offset,
            scores.c.value,
            films.c.view,
            scores.c.flags,
        )
        .join(scores, scores.c.film_id == films.c.id)
        .where(scores.c.model_id == model_id, scores.c.scale == scale)
        .where(films.c.duplicate_of.is_(None))
        .order_by(films.c.patient_id, films.c.taken_at, films.c.id)
    )
    named = select(patients.c.id, patients.c.key, patients.c.issuer, patients.c.calendar)
    if since is not None:
        recent = films.c.taken_at >= since
        if until is not None:
            recent = and_(recent, films.c.taken_at <= until)
        there = select(films.c.patient_id).where(recent)
        by_day = select(patients.c.id).where(patients.c.calendar.is_(False))
        statement = statement.where(
            or_(films.c.patient_id.in_(there), films.c.patient_id.in_(by_day))
        )
    points: dict[int, list[SeriesPoint]] = defaultdict(list)
    stated: dict[int, list[int]] = defaultdict(list)
    rows: Any = connection.execute(statement)
    for number, at, offset, value, view, flags in rows:
        points[number].append(SeriesPoint(at, at, value, view, flags))
        if offset is not None:
            stated[number].append(offset)
    whole = {number for number, offsets in stated.items() if len(offsets) == len(points[number])}
    for number in whole - _without_offset(connection, whole):
        points[number] = _by_utc(points[number], stated[number])
    return [
        ScoreSeries(row.id, row.key, row.issuer, row.calendar, tuple(points[row.id]))
        for row in connection.execute(named)
        if row.id in points
    ]


def _without_offset(connection: Connection, among: set[int]) -> set[int]:
    """Return patients with a film that states no offset, scored by this model or not."""
    if not among:
        return among
    unstated = films.c.utc_offset.is_(None) & films.c.duplicate_of.is_(None)
    return set(connection.execute(select(films.c.patient_id).where(unstated).distinct()).scalars())


def _by_utc(points: Sequence[SeriesPoint], offsets: Sequence[int]) -> list[SeriesPoint]:
    clock = film_times(zip((point.at for point in points), offsets, strict=True))
    moved = (replace(point, clock=at) for point, at in zip(points, clock, strict=True))
    return sorted(moved, key=attrgetter("clock"))


def read_stays(connection: Connection) -> dict[int, Sequence[EventRecord]]:
    """Return admissions, discharges and deaths, in time order, by patient's id."""
    kept = select(patients.c.id, patients.c.merged_into).where(patients.c.merged_into.is_not(None))
    merged = {row.id: row.merged_into for row in connection.execute(kept)}
    found: dict[int, list[EventRecord]] = defaultdict(list)
    statement = select(events).where(events.c.kind.in_(_STAYS)).order_by(events.c.at, events.c.id)
    for row in connection.execute(statement):
        number = merged.get(row.patient_id, row.patient_id)
        found[number].append(EventRecord("", row.kind, row.at, row.detail))
    return dict(found)
