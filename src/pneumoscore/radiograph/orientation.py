"""Upright and with the patient's left at the right of the picture, as a film is looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pneumoscore.radiograph.film import Film, turned

__all__ = ["as_exif_says", "stated_orientation", "upright", "upright_orientation"]

_DIRECTION = re.compile("[AFHLPR]{1,3}")
_OPPOSITE = str.maketrans("AFHLPR", "PHFRAL")


def stated_orientation(values: Sequence[str]) -> tuple[str, str] | None:
    """Return where rows and columns lead (PS3.3 C.7.6.1.1.1), or None if that is not said.

    Parameters
    ----------
    values : sequence of str
        Of Patient Orientation (0020,0020), without padding.

    Examples
    --------
    >>> stated_orientation(["l", "F"]), stated_orientation(["X"])
    (('L', 'F'), None)
    """
    stated = [text.upper() for text in values]
    if len(stated) != 2 or not all(_DIRECTION.fullmatch(text) for text in stated):
        return None
    return stated[0], stated[1]


def _turns(orientation: tuple[str, str]) -> tuple[bool, bool, bool]:
    """Return what `turned` is to do: exchange rows and columns, rows upside down, mirror."""
    row, column = (direction[0] for direction in orientation)
    sideways = row in "HF" and column in "LR"
    if not sideways and not (row in "LR" and column in "HF"):
        return False, False, False
    across, down = (column, row) if sideways else (row, column)
    return sideways, down == "H", across == "R"


def upright_orientation(orientation: tuple[str, str]) -> tuple[str, str]:
    """Return where rows and columns lead once `upright` has turned the film.

    Examples
    --------
    >>> upright_orientation(("R", "F")), upright_orientation(("H", "RP")), upright_orientation(
    ...     ("P", "F")
    ... )
    (('L', 'F'), ('LA', 'F'), ('P', 'F'))
    """
    sideways, upside_down, mirrored = _turns(orientation)
    across, down = orientation[::-1] if sideways else orientation
    return (
        across.translate(_OPPOSITE) if mirrored else across,
        down.translate(_OPPOSITE) if upside_down else down,
    )


def upright(film: Film, orientation: tuple[str, str] | None) -> Film:
    """Turn and mirror a frontal film by Patient Orientation (PS3.3 C.7.6.1.1.1).

    Parameters
    ----------
    film : Film
        As stored.
    orientation : tuple of str or None
        Where rows and columns lead: the first letter of each counts. A film of which it says
        nothing, or that is seen from the side, is left as it is.

    Returns
    -------
    Film
        Its rows lead to the patient's left, its columns to the feet.
    """
    if orientation is None:
        return film
    turns = _turns(orientation)
    if not any(turns):
        return film
    row, column = (direction[0] for direction in orientation)
    film = turned(film, *turns)
    return film.noted(f"patient orientation {row}/{column}")


def as_exif_says(film: Film, orientation: int) -> Film:
    """Turn and mirror by the EXIF orientation (Exif 2.32, 4.6.4, tag 0x0112)."""
    if not 2 <= orientation <= 8:
        return film
    film = turned(
        film, orientation in (5, 6, 7, 8), orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    )
    return film.noted(f"orientation {orientation}")
