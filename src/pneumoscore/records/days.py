"""Times of films: of patients known by day alone, in one patient's order, and ahead of now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

__all__ = ["CLOCKS_AHEAD", "DAY_ZERO", "day_of", "film_times", "time_of_day"]

DAY_ZERO = datetime(2000, 1, 1)
"""Stands for day 0 of patients whose films are known by day, not by date."""

CLOCKS_AHEAD = timedelta(days=2)
"""How far ahead of now a film may be dated: scanners' clocks, and time zones ahead of this one."""


def time_of_day(day: float) -> datetime:
    """Return the time that stands for a day of a patient without dates.

    Examples
    --------
    >>> time_of_day(1.5)
    datetime.datetime(2000, 1, 2, 12, 0)
    """
    return DAY_ZERO + timedelta(days=day)


def day_of(at: datetime) -> float:
    """Return the day that `time_of_day` stands for.

    Examples
    --------
    >>> day_of(time_of_day(-2.0))
    -2.0
    """
    return (at - DAY_ZERO) / timedelta(days=1)


def film_times(films: Iterable[tuple[datetime, int | None]]) -> list[datetime]:
    """Return the times by which one patient's films are ordered and days between them counted.

    UTC where every film states its offset; else local time as it stands: a missing offset is
    most likely that of the film before, and no order of the two kinds is right.

    Parameters
    ----------
    films : iterable of (datetime, int or None)
        Local time and minutes ahead of UTC of all films of the patient.

    Examples
    --------
    >>> east, west = datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 10)
    >>> [at.hour for at in film_times([(east, 540), (west, -300)])]
    [3, 15]
    >>> [at.hour for at in film_times([(east, 540), (west, None)])]
    [12, 10]
    """
    given = list(films)
    offsets = [offset for _, offset in given if offset is not None]
    if len(offsets) < len(given):
        return [at for at, _ in given]
    return [at - timedelta(minutes=offset) for (at, _), offset in zip(given, offsets, strict=True)]
