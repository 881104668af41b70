"""Contribution within each lung zone against the zone scores of readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.brixia import BRIXIA_ZONES
from pneumoscore.cohort.leakage import film_stem
from pneumoscore.cohort.public import FilmMask, read_mask
from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.severity.model import SeverityModel
from pneumoscore.statistics.accuracy import spearman
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from training.goals.place import score_place

__all__ = ["lung_zones", "measure_zones", "split_lungs"]


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


def measure_zones(
    model: SeverityModel,
    masks: Sequence[FilmMask],
    brixia: Mapping[str, RatingTable],
    patients: Mapping[str, str],
    scale: str = "geographic_extent",
    repeats: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> tuple[int, dict[str, Estimate]]:
    """Compare the contribution within each lung zone with the readers' zone scores.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    masks : sequence of FilmMask
        Of kind ``"lungs"``; those whose film Brixia scored are used.
    brixia : mapping of str to RatingTable
        As `pneumoscore.cohort.brixia.load_brixia` gives it.
    patients : mapping of str to str
        Patient by file name of the collection.
    scale, repeats, progress
        As in `measure_masks`.

    Returns
    -------
    tuple of int and dict of str to Estimate
        Number of films, and Spearman's rho of each zone with the mean of the readers; their
        mean under ``"mean"``.
    """
    means = {
        zone: {
            film_stem(film): float(value)
            for film, value in zip(
                brixia[zone].films, np.nanmean(brixia[zone].values, axis=1), strict=True
            )
        }
        for zone in BRIXIA_ZONES
    }
    used = [mask for mask in masks if film_stem(mask.original) in means[BRIXIA_ZONES[0]]]
    ours = np.empty((len(used), len(BRIXIA_ZONES)))
    theirs = np.empty_like(ours)
    for row, mask in enumerate(used):
        lung = read_mask(mask.path) > 0
        _, places = score_place(model, mask, scale, (lung.shape[0], lung.shape[1]))
        for column, (name, zone) in enumerate(lung_zones(lung).items()):
            ours[row, column] = float(places[zone].sum())
            theirs[row, column] = means[name][film_stem(mask.original)]
        if progress is not None:
            progress(row + 1)

    def statistics(draw: Draw) -> dict[str, float]:
        rho = {
            name: spearman(theirs[draw.index, column], ours[draw.index, column])
            for column, name in enumerate(BRIXIA_ZONES)
        }
        return rho | {"mean": float(np.mean(list(rho.values())))}

    groups = [patients.get(film_stem(mask.original), mask.original) for mask in used]
    return len(used), PatientBootstrap(groups, repeats).estimate(statistics)
