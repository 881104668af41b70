"""Times of patients whose films are known by day alone, and how far ahead a clock may be."""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["CLOCKS_AHEAD", "DAY_ZERO", "day_of", "time_of_day"]

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
