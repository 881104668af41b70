"""When a film was taken: the best of the dates and times that a DICOM file states."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time

from pneumoscore.radiograph.elements import Elements

__all__ = ["Moment", "calendar_day", "clock_time", "film_moment"]

_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:[.,](\d{1,6})\d*)?")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})$")
# Dates and times (PS3.6): acquisition, content, series, study.
_PAIRS = (
    ("acquisition", 0x00080022, 0x00080032),
    ("content", 0x00080023, 0x00080033),
    ("series", 0x00080021, 0x00080031),
    ("study", 0x00080020, 0x00080030),
)
_ACQUISITION_DATE_TIME = 0x0008002A
_OFFSET_FROM_UTC = 0x00080201
_FIRST_YEAR = 1895
_LAST_YEAR = 9998
_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a film was taken.

    Attributes
    ----------
    at : datetime
        Local date and time, without time zone; noon where only the day is known.
    by : {"acquisition", "content", "series", "study"} or None
        Which of them the time of day is of; None where only the day is known.
    utc_offset_minutes : int or None
        What the local time is ahead of UTC, where the file says so.
    """

    at: datetime
    by: str | None = None
    utc_offset_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class _Stated:
    """One date and time of the file, each perhaps missing."""

    name: str
    day: date | None
    clock: time | None
    offset: int | None


def calendar_day(text: str | None, first_year: int = _FIRST_YEAR) -> date | None:
    """Return the date of a DICOM value (DA), or None if it is none.

    Years before `first_year` and the year 9999 stand for unknown dates: no radiograph is older
    than X-rays. Dates in the future are kept: de-identification shifts dates by centuries.

    Examples
    --------
    >>> calendar_day("20200401")
    datetime.date(2020, 4, 1)
    >>> calendar_day("00010101") is None and calendar_day("99991231") is None
    True
    """
    match = _DATE.match((text or "").strip())
    try:
        found = date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
    return found if found and first_year <= found.year <= _LAST_YEAR else None


def clock_time(text: str | None) -> time | None:
    """Return the time of a DICOM value (TM), or None if it is none.

    Examples
    --------
    >>> clock_time("1305").isoformat(), clock_time("late")
    ('13:05:00', None)
    """
    match = _TIME.match((text or "").strip())
    if not match:
        return None
    try:
        # A leap second (60) has no place in `time`.
        return time(
            int(match[1]),
            int(match[2] or 0),
            min(59, int(match[3] or 0)),
            int((match[4] or "").ljust(6, "0")),
        )
    except ValueError:
        return None


def _offset(text: str | None) -> int | None:
    """Return the minutes of an offset from UTC (PS3.3 C.12.1.1.8), from -12 to +14 hours."""
    match = _OFFSET.search((text or "").strip())
    if not match or int(match[3]) > 59:
        return None
    minutes = (1 if match[1] == "+" else -1) * (60 * int(match[2]) + int(match[3]))
    return minutes if -720 <= minutes <= 840 else None


def _stated(elements: Elements) -> Iterator[_Stated]:
    """Give what the file states, the moment nearest to the exposure first."""
    common = _offset(elements.text(_OFFSET_FROM_UTC))
    for number, (name, day, clock) in enumerate(_PAIRS):
        yield _Stated(
            name, calendar_day(elements.text(day)), clock_time(elements.text(clock)), common
        )
        if number == 0:
            whole = elements.text(_ACQUISITION_DATE_TIME) or ""
            local = _OFFSET.sub("", whole)
            yield _Stated(
                name, calendar_day(local[:8]), clock_time(local[8:]), _offset(whole[8:]) or common
            )


def film_moment(elements: Elements) -> Moment | None:
    """Return when the film was taken, or None if the file states no date.

    The day is the first valid one of acquisition, content, series and study. Its time is the
    first one stated for that day in the same order, then one stated without a date. A time of
    exactly midnight, which stands for an unknown one more often than not, gives way to any
    other time of that day.

    Parameters
    ----------
    elements : Elements
        The data set.
    """
    stated = tuple(_stated(elements))
    day = next((item.day for item in stated if item.day is not None), None)
    if day is None:
        return None
    timed = [item for item in stated if item.clock is not None and item.day == day]
    timed += [item for item in stated if item.clock is not None and item.day is None]
    best = next((item for item in timed if item.clock != time()), timed[0] if timed else None)
    if best is None or best.clock is None:
        return Moment(datetime.combine(day, _NOON), None, stated[0].offset)
    return Moment(datetime.combine(day, best.clock), best.name, best.offset)
