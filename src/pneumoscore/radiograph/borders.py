"""Even borders around a film: found and cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.film import Film

__all__ = ["cut_off", "trimmed"]

_EVEN = 0.03
"""A row or column whose values span no more than this is even."""

_LEAST_BORDER = 0.01
_MOST_BORDER = 0.4
_LEAST_LEFT = 0.4
_LEAST_SIDE = 32
"""Pixels; the rows of a smaller picture are even by chance."""


def _even_rows(pixels: NDArray[np.float32], hidden: NDArray[np.bool] | None) -> NDArray[np.bool]:
    """Return which rows hold no film: one value all along, or nothing that is shown."""
    if hidden is None:
        return np.asarray(pixels.max(axis=1) - pixels.min(axis=1) <= _EVEN)
    high = np.where(hidden, -1.0, pixels).max(axis=1)
    low = np.where(hidden, 2.0, pixels).min(axis=1)
    return np.asarray(high - low <= _EVEN)


def _ends(even: NDArray[np.bool]) -> tuple[int, int]:
    """Return where the film begins and ends between its even borders."""
    film = np.flatnonzero(~even)
    return (0, 0) if film.size == 0 else (int(film[0]), int(film[-1]) + 1)


def _kept(start: int, stop: int, length: int) -> tuple[int, int]:
    """Leave borders that are too thin to matter or too thick to be borders."""
    least, most = _LEAST_BORDER * length, _MOST_BORDER * length
    start = start if least <= start <= most else 0
    stop = stop if least <= length - stop <= most else length
    return (start, stop) if stop - start >= _LEAST_LEFT * length else (0, length)


def trimmed(film: Film) -> Film:
    """Cut off even borders of any grey, padding and what a shutter hides, along the edges.

    A side is cut where rows or columns that are even all along make up 1 to 40 % of the length;
    at least 40 % of it must be left. What is hidden inside the rest stays dark. A picture with a
    side under 32 pixels stays whole.

    Parameters
    ----------
    film : Film
        Upright.

    Returns
    -------
    Film
        The film itself, or a part of it.
    """
    rows, columns = film.pixels.shape
    if min(rows, columns) < _LEAST_SIDE:
        return film
    top, bottom, left, right = 0, rows, 0, columns
    # A border on one axis hides that of the other until it is cut off.
    for _ in range(3):
        part = slice(top, bottom), slice(left, right)
        hidden = None if film.hidden is None else film.hidden[part]
        upper, lower = _ends(_even_rows(film.pixels[part], hidden))
        first, last = _ends(_even_rows(film.pixels[part].T, None if hidden is None else hidden.T))
        new = (
            *_kept(top + upper, top + lower, rows),
            *_kept(left + first, left + last, columns),
        )
        if new == (top, bottom, left, right) or lower <= upper or last <= first:
            break
        top, bottom, left, right = new
    return cut_off(film, top, left, bottom, right)


def cut_off(film: Film, top: int, left: int, bottom: int, right: int) -> Film:
    """Return a part of a film, with how much was cut off noted where anything was."""
    rows, columns = film.pixels.shape
    sides = (top, rows - bottom, left, columns - right)
    if not any(sides):
        return film
    cut = film.cut(top, left, bottom - top, right - left)
    return cut.noted(f"trimmed {'/'.join(str(side) for side in sides)}")
