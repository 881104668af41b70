"""Times and events in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pneumoscore.records.days import day_of, time_of_day
from pneumoscore.severity.scale import Scale

__all__ = ["ADVICE_MARKS", "drawable_time", "event_label", "parse_time", "sparkline", "when"]

_BARS = "▁▂▃▄▅▆▇█"

ADVICE_MARKS = {
    "worsening": "▲",
    "to be confirmed": "?",
    "returned": "↩",
    "improving": "▼",
    "stable": "=",
    "one film": "·",
    "discharged": "→",
    "died": "✝",
    "not judged": "-",
}
"""One letter for each advice, so that colour is never needed to tell them."""


def when(at: datetime, calendar: bool, *, clock: bool = True) -> str:
    """Return a time as a person reads it: a date, or a day of the stay.

    Examples
    --------
    >>> when(datetime(2026, 3, 1, 14, 30), True), when(datetime(2000, 1, 4), False)
    ('2026-03-01 14:30', 'day 3')
    """
    if not calendar:
        return f"day {day_of(at):.4g}"
    return at.strftime("%Y-%m-%d %H:%M" if clock else "%Y-%m-%d")


def drawable_time(at: datetime) -> bool:
    """Say whether an axis of dates can hold a time.

    Examples
    --------
    >>> drawable_time(datetime(1, 1, 1)), drawable_time(datetime(2026, 3, 1))
    (False, True)
    """
    return 1700 <= at.year <= 2300


def event_label(kind: str) -> str:
    """Return an event's kind in words.

    Examples
    --------
    >>> event_label("icu_admission")
    'ICU admission'
    """
    words = kind.replace("_", " ")
    return words.replace("icu", "ICU")


def parse_time(text: str) -> tuple[datetime, bool]:
    """Read a time from a person: ``2026-03-01``, ``2026-03-01 14:30``, or ``day 3``.

    Returns
    -------
    tuple of datetime and bool
        The time, and whether it is a date.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> parse_time("day -2")
    (datetime.datetime(1999, 12, 30, 0, 0), False)
    """
    trimmed = text.strip()
    if trimmed.lower().startswith("day "):
        day = float(trimmed[4:])
        if not -36_500 <= day <= 36_500:
            raise ValueError(f"{text!r} is beyond a life")
        return time_of_day(day), False
    at = datetime.fromisoformat(trimmed)
    if at.tzinfo is not None:
        raise ValueError(f"{text!r} has a time zone")
    return at, True


def sparkline(values: Sequence[float], scale: Scale, longest: int = 12) -> str:
    """Return the last values of a series as bars over the whole range of the scale.

    Examples
    --------
    >>> from pneumoscore.severity.scale import OPACITY
    >>> sparkline([0.0, 3.0, 6.0], OPACITY)
    '▁▅█'
    """
    step = (scale.high - scale.low) / len(_BARS)
    places = [int((value - scale.low) / step) for value in values[-longest:]]
    return "".join(_BARS[min(max(place, 0), len(_BARS) - 1)] for place in places)
