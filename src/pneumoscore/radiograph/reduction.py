"""Fewer pixels: means of square blocks of stored values, before anything else is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stored", "block_factor", "block_means", "centred", "reduced"]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Stored values, perhaps means of them.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
        Integers with `fraction` bits behind the point, or floats.
    fraction : int
        0 where nothing was averaged.
    hidden : ndarray of bool, same shape, or None
        True for padding and what a shutter hides.
    """

    values: NDArray[np.number]
    fraction: int = 0
    hidden: NDArray[np.bool] | None = None


def block_factor(shape: tuple[int, ...], least_side: int | None) -> int:
    """Return the largest whole factor that keeps the shorter side at `least_side` or more.

    Examples
    --------
    >>> block_factor((2500, 3000), 1024), block_factor((900, 3000), 1024)
    (2, 1)
    """
    return 1 if least_side is None else max(1, min(shape[:2]) // least_side)


def _padded(values: NDArray[Any], factor: int) -> NDArray[Any]:
    """Repeat the last row and column until the sides are multiples of `factor`."""
    rows, columns = values.shape
    missing = (-rows % factor, -columns % factor)
    if not any(missing):
        return values
    return np.pad(values, ((0, missing[0]), (0, missing[1])), mode="edge")


def _sums(values: NDArray[Any], factor: int, dtype: type) -> NDArray[np.number]:
    values = _padded(values, factor)
    rows: NDArray[Any] = values[::factor].astype(dtype)
    for row in range(1, factor):
        rows += values[row::factor]
    sums = rows[:, ::factor].copy()
    for column in range(1, factor):
        sums += rows[:, column::factor]
    return np.asarray(sums)


def block_means(values: NDArray[np.number], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of `factor` x `factor` pixels; outer ones may be smaller."""
    if factor == 1:
        return np.asarray(values, dtype=np.float32)
    whole = values.dtype.kind in "ui" and values.dtype.itemsize <= 2
    sums = _sums(values, factor, np.int32 if whole else np.float32)
    return np.asarray(sums / np.float32(factor * factor), dtype=np.float32)


def centred(values: NDArray[np.integer], halvings: int) -> NDArray[np.integer]:
    """Move the low band of a wavelet transform to the middles of the blocks that it stands for.

    Its samples lie on every second sample of the level above (ITU-T T.800 F.3), so after k
    halvings ``(1 - 2**-k) / 2`` of a place before the middle of their blocks; a film that is not
    moved back moves under the network, and its score with it.

    Parameters
    ----------
    values : ndarray of uint8 or uint16, shape (rows, columns)
        The low band.
    halvings : int
        How often the image was halved, k.

    Returns
    -------
    ndarray of the same shape and type
        Interpolated between each sample and the next; the last ones stay where they are.

    Examples
    --------
    >>> centred(np.array([[0, 8], [0, 8]], dtype=np.uint8), 1).tolist()
    [[2, 8], [2, 8]]
    """
    if halvings == 0:
        return values
    # Sums of 16-bit samples fit into 32 bits up to 7 halvings; more would move them no farther.
    bits = min(halvings, 7) + 1
    here, there = np.uint32((1 << bits - 1) + 1), np.uint32((1 << bits - 1) - 1)
    following = np.vstack((values[1:], values[-1:]))
    down = values * here + following * there
    sums = down * here
    sums[:, :-1] += down[:, 1:] * there
    sums[:, -1] += down[:, -1] * there
    sums += np.uint32(1 << (2 * bits - 1))
    sums >>= np.uint32(2 * bits)
    return sums.astype(values.dtype)


def reduced(
    values: NDArray[np.integer], hidden: NDArray[np.bool] | None, bits: int, factor: int
) -> Stored:
    """Return the means of blocks of stored values, without what is hidden.

    Parameters
    ----------
    values : ndarray of int, shape (rows, columns)
        Stored values of 8, 16 or 32 bits.
    hidden : ndarray of bool, same shape, or None
        Left out of every mean; a block of nothing else is hidden.
    bits : int
        Bits Stored.
    factor : int
        Rows and columns of a block.

    Returns
    -------
    Stored
        Of up to 16 bits: fixed point in 16 bits, ``16 - bits`` of them behind the point. Else
        floats.
    """
    if factor == 1:
        return Stored(values, 0, hidden)
    wide = values.dtype.itemsize > 2 or bits > 16
    total = np.float64 if wide else np.int32
    if hidden is None:
        means = _sums(values, factor, total) / float(factor * factor)
        mask = None
    else:
        shown = ~hidden
        counts = _sums(shown, factor, np.int32)
        sums = _sums(np.where(shown, values, 0), factor, total)
        means = sums / np.maximum(counts, 1)
        mask = np.asarray(counts == 0)
    if wide:
        return Stored(means, 0, mask)
    fraction = 16 - bits
    kind = np.int16 if values.dtype.kind == "i" else np.uint16
    limits = np.iinfo(kind)
    fixed = np.clip(np.rint(means * float(1 << fraction)), limits.min, limits.max)
    return Stored(fixed.astype(kind), fraction, mask)
