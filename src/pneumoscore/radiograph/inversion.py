"""How a film's grey lies: whether it looks like a chest, and whether it is inverted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["looks_inverted", "polarity"]

_THRESHOLD = -0.1
_GRID = 32
_FLAT = 0.02
# Mean of 756 public frontal films on 8 x 8 places, symmetrised, left half: corners and lungs
# dark, mediastinum and abdomen bright.
_HALF = np.array(
    [
        [-1.2, -1.0, -0.7, -0.1],
        [-0.3, -0.2, -0.6, -0.2],
        [-0.1, -0.2, -0.9, 0.0],
        [-0.1, -0.3, -0.7, 0.3],
        [-0.1, -0.2, -0.3, 0.7],
        [-0.1, 0.0, 0.3, 0.9],
        [-0.2, 0.5, 0.8, 1.1],
        [-0.1, 0.8, 1.1, 1.2],
    ]
)


def _shrink(pixels: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    from PIL import Image

    image = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32)


def _body(values: NDArray[np.float32]) -> slice:
    """Return the rows between flat borders, of which at most 40 % a side are cut."""
    flat = np.ptp(values, axis=1) < _FLAT
    limit = int(0.4 * len(flat))
    start, stop = 0, len(flat)
    while start < limit and flat[start]:
        start += 1
    while stop > len(flat) - limit and flat[stop - 1]:
        stop -= 1
    return slice(start, stop)


def polarity(pixels: NDArray[np.float32]) -> float:
    """Return how much a film looks like a radiograph of the usual polarity.

    The film, without flat borders, is correlated with a mean film on 8 x 8 places. Inverting
    a film changes the sign. `benchmarks/inversion.py` prints how well this tells the two
    apart.

    Parameters
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1].

    Returns
    -------
    float
        Correlation in [-1, 1]; 0 for a constant film.
    """
    small = _shrink(np.ascontiguousarray(pixels, dtype=np.float32), _GRID, _GRID)
    small = small[_body(small), _body(small.T)]
    film = _shrink(np.ascontiguousarray(small), *_mean_film().shape).astype(np.float64)
    film -= film.mean()
    norm = float(np.linalg.norm(film))
    return float((film * _mean_film()).sum() / norm) if norm > 1e-6 else 0.0


def _mean_film() -> NDArray[np.float64]:
    film = np.concatenate([_HALF, _HALF[:, ::-1]], axis=1)
    film -= film.mean()
    return np.asarray(film / np.linalg.norm(film))


def looks_inverted(pixels: NDArray[np.float32]) -> bool:
    """Tell whether a film was exported with black and white exchanged (see `polarity`)."""
    return polarity(pixels) < _THRESHOLD
