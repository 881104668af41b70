"""Upright and with the patient's left at the right of the picture, as a film is looked at."""

from __future__ import annotations

from pneumoscore.radiograph.film import Film, turned

__all__ = ["as_exif_says", "upright"]


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
    row, column = (direction[0] for direction in orientation)
    sideways = row in "HF" and column in "LR"
    if not sideways and not (row in "LR" and column in "HF"):
        return film
    across, down = (column, row) if sideways else (row, column)
    if not sideways and across == "L" and down == "F":
        return film
    film = turned(film, sideways, down == "H", across == "R")
    return film.noted(f"patient orientation {row}/{column}")


def as_exif_says(film: Film, orientation: int) -> Film:
    """Turn and mirror by the EXIF orientation (Exif 2.32, 4.6.4, tag 0x0112)."""
    if not 2 <= orientation <= 8:
        return film
    film = turned(
        film, orientation in (5, 6, 7, 8), orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    )
    return film.noted(f"orientation {orientation}")
