"""Fewer pixels: means of square blocks of stored values, before anything else is done to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stored", "block_factor", "block_means", "centred", "reduced"]


_STRIP = 32
"""Rows of means that are made at once."""


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


def _sums(values: NDArray[Any], factor: int, dtype: type) -> NDArray[np.number]:
    """Return sums of blocks; the last row and column count for those that a block lacks."""
    high, wide = (-(-side // factor) for side in values.shape)
    rows: NDArray[Any] = values[::factor].astype(dtype)
    for row in range(1, factor):
        part = values[row::factor]
        rows[: len(part)] += part
        if len(part) < high:
            rows[-1] += values[-1]
    sums = rows[:, ::factor].copy()
    for column in range(1, factor):
        part = rows[:, column::factor]
        sums[:, : part.shape[1]] += part
        if part.shape[1] < wide:
            sums[:, -1] += rows[:, -1]
    return np.asarray(sums)


def block_means(values: NDArray[np.number], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of `factor` x `factor` pixels; outer ones may be smaller."""
    if factor == 1:
        return np.asarray(values, dtype=np.float32)
    whole = values.dtype.kind in "ui" and values.dtype.itemsize <= 2
    rows, columns = (-(-side // factor) for side in values.shape)
    means = np.empty((rows, columns), dtype=np.float32)
    for start in range(0, rows, _STRIP):
        strip = values[start * factor : (start + _STRIP) * factor]
        sums = _sums(strip, factor, np.int32 if whole else np.float32)
        means[start : start + _STRIP] = sums / np.float32(factor * factor)
    return means


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
    sums: NDArray[Any] = down * here
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
    if values.dtype.itemsize > 2 or bits > 16:
        means, mask = _shown_means(values, hidden, factor, np.float64)
        return Stored(means, 0, mask)
    if hidden is None:
        return Stored(_fixed_means(values, bits, factor), 16 - bits)
    means, mask = _shown_means(values, hidden, factor, np.int32)
    return Stored(_fixed(means, bits, values.dtype), 16 - bits, mask)


def _shown_means(
    values: NDArray[np.integer], hidden: NDArray[np.bool] | None, factor: int, total: type
) -> tuple[NDArray[np.float64], NDArray[np.bool] | None]:
    """Return the means of what is shown, and which blocks show nothing."""
    if hidden is None:
        return np.asarray(_sums(values, factor, total) / float(factor * factor)), None
    counts = _sums(~hidden, factor, np.int32)
    sums = _sums(np.where(hidden, 0, values), factor, total)
    return np.asarray(sums / np.maximum(counts, 1)), np.asarray(counts == 0)


def _fixed(means: NDArray[np.float64], bits: int, dtype: np.dtype[Any]) -> NDArray[np.integer]:
    kind = np.int16 if dtype.kind == "i" else np.uint16
    limits = np.iinfo(kind)
    return np.clip(np.rint(means * float(1 << 16 - bits)), limits.min, limits.max).astype(kind)


def _fixed_means(values: NDArray[np.integer], bits: int, factor: int) -> NDArray[np.integer]:
    """Return `_fixed` means, by whole numbers and in strips that stay in a processor's cache."""
    signed = values.dtype.kind == "i"
    kind: type = np.int16 if signed else np.uint16
    # The sums of most films fit into 16 bits, which are added faster than 32.
    narrow = bits + math.ceil(2 * math.log2(factor)) <= 16
    total: type = kind if narrow else np.int32
    rows, columns = (-(-side // factor) for side in values.shape)
    out = np.empty((rows, columns), dtype=kind)
    limits, blocks = np.iinfo(kind), factor * factor
    room = np.int64 if blocks > 1 << 14 else np.int32
    for start in range(0, rows, _STRIP):
        strip = values[start * factor : (start + _STRIP) * factor]
        sums: NDArray[Any] = _sums(strip, factor, total).astype(room)
        sums <<= 16 - bits
        sums += blocks // 2
        sums //= blocks
        out[start : start + _STRIP] = np.clip(sums, limits.min, limits.max, out=sums)
    return out
