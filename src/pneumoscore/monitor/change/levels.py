"""Levels of groups of films that single films cannot move far, for many series at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearer_of_two", "ramp", "robust_level"]

Floats = NDArray[np.float64]
_ROUNDS = 3
_RAMP_ROUNDS = 6
_CLIP = 1.0


def robust_level(values: Floats, known: NDArray[np.bool_], sd: Floats) -> Floats:
    """Return a level of each row: its median, then steps of Huber's estimate.

    A film farther than one error from the level counts as if it were one error away, so that
    one odd film among three or more moves the level little (Huber 1964, Ann Math Stat 35:
    73-101, with the scale known).

    Parameters
    ----------
    values : ndarray of float, shape (n, films)
        Scores.
    known : ndarray of bool, shape (n, films)
        Which of them belong to the group.
    sd : ndarray of float, shape (n,)
        Error of one film.

    Returns
    -------
    ndarray of float, shape (n,)
        NaN for a group without films.

    Examples
    --------
    >>> row = np.array([[2.0, 2.2, 7.0]])
    >>> robust_level(row, np.ones((1, 3), bool), np.array([0.5])).round(2)
    array([2.34])
    """
    counts = known.sum(axis=1)
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    rows = np.arange(len(values))
    last = np.maximum(counts, 1)
    with np.errstate(invalid="ignore"):
        level = (ordered[rows, (last - 1) // 2] + ordered[rows, last // 2]) / 2.0
    level = np.where(counts > 0, level, 0.0)
    bound = (_CLIP * sd)[:, None]
    inside = np.where(known, values, 0.0)
    for _ in range(_ROUNDS):
        away = np.clip(inside - level[:, None], -bound, bound)
        level = level + np.where(known, away, 0.0).sum(axis=1) / last
    return np.where(counts > 0, level, np.nan)


def nearer_of_two(values: Floats, base: Floats) -> Floats:
    """Return, of each row's two films, the one nearer to `base`; `base` if they lie around it.

    What two films say together cannot then be the doing of one of them.

    Examples
    --------
    >>> nearer_of_two(np.array([[6.0, 3.0], [1.0, 3.0]]), np.array([2.0, 2.0]))
    array([3., 2.])
    """
    away = values - base[:, None]
    first, second = away[:, 0], away[:, 1]
    same_side = first * second > 0.0
    nearer = np.where(np.abs(first) < np.abs(second), first, second)
    return base + np.where(same_side, nearer, 0.0)


def ramp(days: Floats, away: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Fit lines from 0 at the first time to the last, and say how far they are known.

    Parameters
    ----------
    days : ndarray of float, shape (n, films)
        Times since the last film of the old level, all positive.
    away : ndarray of float, shape (n, films)
        Scores less the old level.
    sd : ndarray of float, shape (n,)
        Error of one film.

    Returns
    -------
    height, weight : ndarray of float, shape (n,)
        Height of the line at the last film, each film pulling by one error at most; and by how
        much the old level's own error enters it.
    """
    share = days / np.maximum(days[:, -1:], 1e-9)
    square = np.maximum((share * share).sum(axis=1), 1e-9)
    # From a line that no single film moves: the least steep one where they disagree.
    height = np.median(away, axis=1)
    bound = (_CLIP * sd)[:, None]
    for _ in range(_RAMP_ROUNDS):
        rest = np.clip(away - height[:, None] * share, -bound, bound)
        height = height + (share * rest).sum(axis=1) / square
    return height, share.sum(axis=1) / square
