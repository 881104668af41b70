"""The six zones of the Brixia score on a mask of the lungs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.brixia import BRIXIA_ZONES

__all__ = ["lung_zones", "split_lungs"]


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


def lung_zones(lung: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Return the six Brixia zones of a mask of both lungs.

    Each lung is cut into thirds of its height: A, B, C the right lung from the top, D, E, F
    the left. A lung that is not on the mask gives empty zones.
    """
    zones = {}
    for names, side in zip((BRIXIA_ZONES[:3], BRIXIA_ZONES[3:]), split_lungs(lung), strict=True):
        rows = np.flatnonzero(side.any(axis=1))
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        edges = np.linspace(top, bottom, 4)
        height = np.arange(lung.shape[0]) + 0.5
        for index, name in enumerate(names):
            inside = (height >= edges[index]) & (height < edges[index + 1])
            zones[name] = side & inside[:, None]
    return zones
