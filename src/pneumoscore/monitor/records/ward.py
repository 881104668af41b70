"""Reading all patients at once, for the ward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from pneumoscore.monitor.records.rows import batched
from pneumoscore.monitor.records.schema import films, patients, scores

__all__ = ["LatestPair", "read_latest_pairs", "read_series"]


@dataclass(frozen=True, slots=True)
class LatestPair:
    """A patient's last two films on one scale.

    Attributes
    ----------
    patient_id : int
        Within the records.
    patient : str
        Identifier.
    calendar : bool
        Whether times are dates.
    last, before : tuple of (datetime, float, str or None, str) or None
        Time, value, view and flags; `before` is None for a patient with one film.
    """

    patient_id: int
    patient: str
    calendar: bool
    last: tuple[datetime, float, str | None, str]
    before: tuple[datetime, float, str | None, str] | None


def read_latest_pairs(
    connection: Connection, model_id: int, scale: str, since: datetime | None = None
) -> list[LatestPair]:
    """Return the last two films of every patient with a score.

    Parameters
    ----------
    connection : Connection
        Of `Records.reading`.
    model_id, scale
        Whose scores, and which.
    since : datetime, optional
        Leave out patients whose last film is older.
    """
    place = func.row_number().over(
        partition_by=films.c.patient_id, order_by=(films.c.taken_at.desc(), films.c.id.desc())
    )
    ranked = (
        select(
            films.c.patient_id,
            films.c.taken_at,
            films.c.view,
            scores.c.value,
            scores.c.flags,
            place.label("place"),
        )
        .join(scores, scores.c.film_id == films.c.id)
        .where(scores.c.model_id == model_id, scores.c.scale == scale)
        .subquery()
    )
    statement = (
        select(ranked, patients.c.key, patients.c.calendar)
        .join(patients, patients.c.id == ranked.c.patient_id)
        .where(ranked.c.place <= 2)
        .order_by(ranked.c.patient_id, ranked.c.place)
    )
    found: dict[int, list[Any]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.patient_id, []).append(row)
    pairs = []
    for rows in found.values():
        if since is not None and rows[0].taken_at < since:
            continue
        last, *rest = ((row.taken_at, row.value, row.view, row.flags) for row in rows)
        pairs.append(
            LatestPair(
                rows[0].patient_id, rows[0].key, rows[0].calendar, last, rest[0] if rest else None
            )
        )
    return pairs


def read_series(
    connection: Connection, patient_ids: Sequence[int], model_id: int, scales: Sequence[str]
) -> dict[int, dict[str, list[tuple[datetime, float]]]]:
    """Return times and values by patient's id and scale, in time order."""
    found: dict[int, dict[str, list[tuple[datetime, float]]]] = {
        number: {scale: [] for scale in scales} for number in patient_ids
    }
    for group in batched(patient_ids, 500):
        statement = (
            select(films.c.patient_id, films.c.taken_at, scores.c.scale, scores.c.value)
            .join(scores, scores.c.film_id == films.c.id)
            .where(films.c.patient_id.in_(group), scores.c.model_id == model_id)
            .where(scores.c.scale.in_(list(scales)))
            .order_by(films.c.patient_id, films.c.taken_at, films.c.id)
        )
        for row in connection.execute(statement):
            found[row.patient_id][row.scale].append((row.taken_at, row.value))
    return found
