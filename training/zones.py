"""The six zones of the Brixia score on masks of the lungs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.brixia import BRIXIA_ZONES

__all__ = ["lung_zones", "split_lungs", "zone_opacity"]


def split_lungs(lung: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the right and the left lung of a mask of both.

    The two largest connected regions when they are of like size, told apart by column;
    else the halves at the mask's mean column. The patient's right lung is on the image's left.
    """
    from scipy.ndimage import label

    regions, count = label(lung)
    sizes = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    order = np.argsort(sizes)[::-1][:2]
    columns = np.arange(lung.shape[1])
    if count >= 2 and sizes[order[1]] >= 0.25 * sizes[order[0]]:
        first, second = (regions == order[0] + 1, regions == order[1] + 1)
        centres = [float((part.sum(axis=0) @ columns) / part.sum()) for part in (first, second)]
        return (first, second) if centres[0] < centres[1] else (second, first)
    middle = float((lung.sum(axis=0) @ columns) / max(int(lung.sum()), 1))
    return lung & (columns < middle)[None, :], lung & (columns >= middle)[None, :]


def _thirds(side: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the thirds of one lung's height from the top, empty where there is no lung."""
    rows = np.flatnonzero(side.any(axis=1))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    edges = np.linspace(top, bottom, 4)
    height = np.arange(len(side)) + 0.5
    return [
        side & ((height >= first) & (height < last))[:, None] for first, last in pairwise(edges)
    ]


def lung_zones(lung: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return the six Brixia zones of a mask of both lungs.

    Each lung is cut into thirds of its height: A, B, C the right lung from the top, D, E, F
    the left. A lung that is not on the mask gives empty zones.
    """
    zones = [zone for side in split_lungs(lung) for zone in _thirds(side)]
    return dict(zip(BRIXIA_ZONES, zones, strict=True))


def zone_opacity(lungs: NDArray[np.uint8], ratings: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return masks of opacities as even as the ratings of the zones say.

    Parameters
    ----------
    lungs : ndarray of uint8, shape (n, 2, rows, columns)
        Probability of the lung on the image's left and on its right, times 255.
    ratings : ndarray of float32, shape (n, 2, 3)
        Of the zones of either lung from the top, in [0, 1].

    Returns
    -------
    ndarray of uint8, shape (n, 2, rows, columns)
        0 to 255.
    """
    opacity = np.zeros_like(lungs)
    for film, rated in enumerate(ratings):
        for side, three in enumerate(rated):
            for zone, rating in zip(_thirds(lungs[film, side] > 127), three, strict=True):
                opacity[film, side][zone] = round(255 * float(rating))
    return opacity
