"""Cells of cohort tables, as the public tables write them."""

from __future__ import annotations

import math

__all__ = ["parse_label", "parse_number", "parse_sex", "parse_text", "parse_view", "parse_yes_no"]

_MISSING = {"", "?", "na", "n/a", "nan", "none", "null", "unknown"}
_YES = {"y", "yes", "true", "1", "1.0"}
_NO = {"n", "no", "false", "0", "0.0"}


def parse_text(cell: str | None) -> str | None:
    """Return the trimmed text of a cell, None when it says nothing.

    Examples
    --------
    >>> parse_text(" PA "), parse_text("?")
    ('PA', None)
    """
    text = (cell or "").strip()
    return None if text.lower() in _MISSING else text


def parse_number(cell: str | None) -> float | None:
    """Return a finite number, None when the cell holds none.

    Examples
    --------
    >>> parse_number("3.5"), parse_number("5 days"), parse_number("inf")
    (3.5, None, None)
    """
    try:
        value = float(parse_text(cell) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_yes_no(cell: str | None) -> bool | None:
    """Return True or False for yes or no, None for anything else.

    Examples
    --------
    >>> parse_yes_no("Y"), parse_yes_no("N"), parse_yes_no("Would have been stated")
    (True, False, None)
    """
    text = (cell or "").strip().lower()
    if text in _YES:
        return True
    return False if text in _NO else None


def parse_label(cell: str | None) -> float | None:
    """Return a score; None for an empty cell, NaN for one that is no number.

    The checks report a NaN label as an impossible score, where dropping it would hide it.

    Examples
    --------
    >>> parse_label(""), parse_label("six")
    (None, nan)
    """
    if parse_text(cell) is None:
        return None
    value = parse_number(cell)
    return math.nan if value is None else value


def parse_sex(cell: str | None) -> str | None:
    """Return ``"F"`` or ``"M"``, None for anything else.

    Examples
    --------
    >>> parse_sex("male"), parse_sex("w")
    ('M', None)
    """
    text = (parse_text(cell) or "").upper()
    return {"F": "F", "FEMALE": "F", "M": "M", "MALE": "M"}.get(text)


def parse_view(cell: str | None) -> str | None:
    """Return a view with the projection in capitals.

    Examples
    --------
    >>> parse_view("ap"), parse_view("AP Supine")
    ('AP', 'AP Supine')
    """
    text = parse_text(cell)
    if text is None:
        return None
    first, _, rest = text.partition(" ")
    return f"{first.upper()} {rest}".strip()
