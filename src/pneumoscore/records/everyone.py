"""Reading the scores of all patients at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, or_, select
from sqlalchemy.sql.functions import coalesce

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
    scales: Sequence[str],
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, list[ScoreSeries]]:
    """Return the series of every patient that has a score.

    Parameters
    ----------
    connection : Connection
        Of `Records.reading`.
    model_id : int
        Whose scores.
    scales : sequence of str
        Which.
    since, until : datetime, optional
        Leave out patients without a film between these times. Patients whose films are known
        by day stay: nothing says how long ago their day 0 is.

    Returns
    -------
    dict of str to list of ScoreSeries
        By scale, in the order of the patients' ids.
    """
    statement = _films_with(model_id, scales)
    if since is not None:
        statement = statement.where(_there(since, until))
    # All at once: one row at a time costs as much again.
    rows = connection.execute(statement).fetchall()
    named = {
        row.id: row
        for row in connection.execute(
            select(patients.c.id, patients.c.key, patients.c.issuer, patients.c.calendar)
        )
    }
    sure = _stating_offsets(connection, rows)
    found: dict[str, list[ScoreSeries]] = {scale: [] for scale in scales}
    for number, group in groupby(rows, key=itemgetter(0)):
        points: list[list[SeriesPoint]] = [[] for _ in scales]
        for clock, (_, at, _, view, flags, *values) in _clocked(list(group), number in sure):
            for own, value in zip(points, values, strict=True):
                if value is not None:
                    own.append(SeriesPoint(at, clock, value, view, flags))
        one = named[number]
        for scale, own in zip(scales, points, strict=True):
            if own:
                series = ScoreSeries(number, one.key, one.issuer, one.calendar, tuple(own))
                found[scale].append(series)
    return found


def _films_with(model_id: int, scales: Sequence[str]) -> Select[Any]:
    """Select films that a model scored, with their flags and then a value for each scale."""
    by_scale = {scale: scores.alias(f"on_{scale}") for scale in scales}
    scored = [table.c.value for table in by_scale.values()]
    joined: FromClause = films
    for scale, table in by_scale.items():
        of_film = and_(
            table.c.film_id == films.c.id, table.c.model_id == model_id, table.c.scale == scale
        )
        joined = joined.outerjoin(table, of_film)
    statement = select(
        films.c.patient_id,
        films.c.taken_at,
        films.c.utc_offset,
        films.c.view,
        coalesce(*(table.c.flags for table in by_scale.values()), ""),
        *scored,
    ).where(films.c.duplicate_of.is_(None), or_(*(value.is_not(None) for value in scored)))
    return statement.select_from(joined).order_by(films.c.patient_id, films.c.taken_at, films.c.id)


def _there(since: datetime, until: datetime | None) -> ColumnElement[bool]:
    """Select films of patients with a film between two times, or whose films are known by day."""
    recent = films.c.taken_at >= since
    if until is not None:
        recent = and_(recent, films.c.taken_at <= until)
    there = select(films.c.patient_id).where(recent)
    by_day = select(patients.c.id).where(patients.c.calendar.is_(False))
    return or_(films.c.patient_id.in_(there), films.c.patient_id.in_(by_day))


def _stating_offsets(connection: Connection, rows: Sequence[Any]) -> set[int]:
    """Return patients all of whose films state their offset, scored by this model or not."""
    stated = {row[0] for row in rows if row[2] is not None}
    if not stated:
        return stated
    unstated = films.c.utc_offset.is_(None) & films.c.duplicate_of.is_(None)
    lacking = select(films.c.patient_id).where(unstated).distinct()
    return stated - set(connection.execute(lacking).scalars())


def _clocked(rows: list[Any], by_utc: bool) -> list[tuple[datetime, Any]]:
    """Return a patient's rows with the time that orders them, in that order."""
    if not by_utc:
        return [(row[1], row) for row in rows]
    clock = film_times((row[1], row[2]) for row in rows)
    return sorted(zip(clock, rows, strict=True), key=itemgetter(0))


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
