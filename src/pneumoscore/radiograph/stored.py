"""From a radiograph back to the image that its file stores: turned, grown and framed again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.origin import Origin

__all__ = ["on_stored_image"]


def on_stored_image(values: NDArray[Any], origin: Origin) -> NDArray[Any]:
    """Lay values of a radiograph's pixels over the stored image.

    Parameters
    ----------
    values : ndarray, shape (rows, columns)
        One for each pixel of the radiograph.
    origin : Origin
        Of the radiograph.

    Returns
    -------
    ndarray, shape ``origin.shape``
        The value of the pixel in which each stored pixel's centre lies; 0 where it was trimmed.

    Examples
    --------
    >>> origin = Origin((2, 4)).scaled(2, 2).mirrored(2)
    >>> on_stored_image(np.array([[1, 2]]), origin).tolist()
    [[2, 2, 1, 1], [2, 2, 1, 1]]
    """
    down = np.arange(origin.shape[0]) + 0.5 - origin.down[2]
    across = np.arange(origin.shape[1]) + 0.5 - origin.across[2]
    if origin.down[0]:
        return _taken(values, down / origin.down[0], across / origin.across[1])
    return _taken(values.T, down / origin.down[1], across / origin.across[0])


def _taken(
    values: NDArray[Any], rows: NDArray[np.floating], columns: NDArray[np.floating]
) -> NDArray[Any]:
    high, wide = values.shape
    row, column = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    inside = ((row >= 0) & (row < high))[:, np.newaxis] & ((column >= 0) & (column < wide))
    taken = values[np.clip(row, 0, high - 1)][:, np.clip(column, 0, wide - 1)]
    return np.where(inside, taken, np.zeros((), values.dtype))
