"""Whether two files show one film, although their pixels differ a little."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["alike", "likeness"]

_SIDE = 32
_STEPS = 32.0
_ALIKE = 0.99
"""Correlation from which two reduced films count as one. Copies of a film (compressed, resized,
windowed, inverted, mirrored) lie above it, other films below (`benchmarks/likeness.py`)."""


def likeness(pixels: NDArray[np.float32]) -> str:
    """Return a film reduced to its outline, as text.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1].

    Returns
    -------
    str
        32 x 32 places, mean 0 and deviation 1, in steps of 1/32; empty for a film of one grey.
    """
    from PIL import Image

    reduced = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    values = np.asarray(reduced, dtype=np.float64)
    spread = float(values.std())
    if spread < 1e-6:
        return ""
    steps = np.clip(np.rint((values - values.mean()) / spread * _STEPS), -127, 127)
    return base64.b64encode(steps.astype(np.int8).tobytes()).decode("ascii")


def alike(film: str, others: Iterable[str]) -> bool:
    """Return whether a film is one of the others, also inverted, mirrored or upside down.

    Parameters
    ----------
    film : str
        From `likeness`; nothing is like an empty one.
    others : iterable of str
        From `likeness`.
    """
    if not film:
        return False
    mine = _values(film)
    turned = (mine, mine[:, ::-1], mine[::-1], mine[::-1, ::-1])
    stack = np.stack([_unit(item) for item in turned])
    for other in others:
        if other and float(np.abs(stack @ _unit(_values(other))).max()) >= _ALIKE:
            return True
    return False


def _values(text: str) -> NDArray[np.float64]:
    steps = np.frombuffer(base64.b64decode(text), dtype=np.int8)
    return steps.reshape(_SIDE, _SIDE).astype(np.float64)


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = values.ravel() - values.mean()
    unit: NDArray[np.float64] = flat / max(float(np.linalg.norm(flat)), 1e-9)
    return unit
