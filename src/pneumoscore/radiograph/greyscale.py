"""From stored numbers to [0, 1]: the range of integers, and luminance of colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["data_range", "luminance", "nominal_range", "to_unit"]

_SAMPLES = 1_000_000
_LUMA = (0.299, 0.587, 0.114)


def nominal_range(low: float, high: float) -> tuple[float, float]:
    """Return the stored numbers that stand for black and white where a file does not say.

    Unsigned data span 0 to the largest number of as many bits as they use, at least 8: the
    same pixels as 8 bits, as 8 bits in a 16-bit container, or as 12 of 16 bits come out
    alike. Deeper data that use less than a quarter of that span, and signed data, span
    their own range.

    Parameters
    ----------
    low, high : float
        Robust least and greatest number, see `data_range`.

    Returns
    -------
    tuple of float
        Black and white; white is always greater.

    Examples
    --------
    >>> nominal_range(12, 230)
    (0.0, 255.0)
    >>> nominal_range(0, 3500)
    (0.0, 4095.0)
    >>> nominal_range(30000, 34000)
    (30000.0, 34000.0)
    """
    if low >= 0:
        bits = max(8, math.ceil(math.log2(high + 1))) if high > 0 else 8
        top = float(2**bits - 1)
        if bits == 8 or high - low >= top / 4:
            return 0.0, top
    return float(low), float(high) if high > low else float(low) + 1.0


def data_range(values: NDArray[np.number]) -> tuple[float, float]:
    """Return least and greatest number of an image, robust where a few pixels stand out.

    Parameters
    ----------
    values : ndarray
        Finite stored values, at least one.

    Returns
    -------
    tuple of float
        Minimum and maximum; or the 0.1 and 99.9 percentiles (of at most about a million
        evenly taken pixels), where those span less than a quarter of the full range in data
        deeper than 8 bits: a burned-in letter must not darken a film.
    """
    low, high = float(values.min()), float(values.max())
    if high < 256 and low >= 0:
        return low, high
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLES)]
    inner_low, inner_high = (float(v) for v in np.percentile(sample, (0.1, 99.9)))
    if inner_high > inner_low and inner_high - inner_low < (high - low) / 4:
        return inner_low, inner_high
    return low, high


def to_unit(values: NDArray[np.number], black: float, white: float) -> NDArray[np.float32]:
    """Map `black` to 0 and `white` to 1, clipped.

    Parameters
    ----------
    values : ndarray, any shape
        Stored values.
    black, white : float
        Different from each other.

    Returns
    -------
    ndarray of float32, same shape
        In [0, 1].
    """
    unit = values.astype(np.float32)
    if black:
        unit -= np.float32(black)
    unit /= np.float32(white - black)
    return np.clip(unit, 0.0, 1.0, out=unit)


def luminance(colour: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the luma of red, green and blue (ITU-R BT.601, as DICOM's YBR_FULL).

    Parameters
    ----------
    colour : ndarray of int, shape (rows, columns, 3 or more)
        Channels after the third are ignored.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        On the scale of the input; equal channels come out unchanged.
    """
    red, green, blue = (colour[..., index] for index in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red.astype(np.float32)
    luma = red.astype(np.float32) * np.float32(_LUMA[0])
    luma += green * np.float32(_LUMA[1])
    luma += blue * np.float32(_LUMA[2])
    return luma
