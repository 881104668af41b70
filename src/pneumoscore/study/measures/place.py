"""Whether a score comes from the right place: contribution map against masks and zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.brixia import BRIXIA_ZONES
from pneumoscore.cohort.public import FilmMask, read_mask
from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import ScaleScore, Score
from pneumoscore.study.statistics.accuracy import pearson, spearman
from pneumoscore.study.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.study.statistics.discrimination import auroc

__all__ = [
    "MaskAgreement",
    "lung_zones",
    "map_on_mask",
    "measure_masks",
    "measure_zones",
    "split_lungs",
]

RIGHT_LUNG, LEFT_LUNG, GROUND_GLASS, CONSOLIDATION = 1, 2, 4, 8


def map_on_mask(
    contributions: NDArray[np.float32],
    placement: Placement,
    input_size: int,
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Return a contribution map at the pixels of a mask that covers the whole film.

    Parameters
    ----------
    contributions : ndarray of float32, shape (map rows, map columns)
        Of the backbone's square input.
    placement : Placement
        Where the film lies in that input.
    input_size : int
        Rows and columns of the input.
    shape : tuple of int
        Rows and columns of the mask.

    Returns
    -------
    ndarray of float, shape `shape`
        Interpolated linearly between the centres of the places; points of the scale for
        one place.
    """
    positions = []
    for axis, start in ((0, placement.top), (1, placement.left)):
        film_pixels = (np.arange(shape[axis]) + 0.5) * placement.film_shape[axis] / shape[axis]
        places = contributions.shape[axis]
        centres = (film_pixels * placement.scale + start) * places / input_size - 0.5
        positions.append(np.clip(centres, 0, places - 1))
    rows, columns = positions
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom = np.minimum(top + 1, contributions.shape[0] - 1)
    right = np.minimum(left + 1, contributions.shape[1] - 1)
    down, across = (rows - top)[:, None], (columns - left)[None, :]
    values = contributions.astype(np.float64)
    upper = values[np.ix_(top, left)] * (1 - across) + values[np.ix_(top, right)] * across
    lower = values[np.ix_(bottom, left)] * (1 - across) + values[np.ix_(bottom, right)] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class MaskAgreement:
    """A model's contribution maps against expert masks.

    Attributes
    ----------
    films, patients : int
        With opaque and clear lung on the mask.
    auroc : Estimate
        Mean over films of the pixel AUROC inside the lungs.
    left_share : Estimate
        Pearson's r of the left lung's share of the score and of the opaque pixels.
    by_film : dict of str to float
        AUROC of each film.
    """

    films: int
    patients: int
    auroc: Estimate
    left_share: Estimate
    by_film: dict[str, float]


def _scored(model: SeverityModel, mask: FilmMask, scale: str) -> tuple[Score, ScaleScore]:
    score = model.score(read_radiograph(mask.image), force=True, scales=[scale])
    found = score[scale]
    if found.contributions is None:
        raise ModelError(
            f"the model {model.identity.name!r} has no contribution map on {scale}",
            "a head that is linear in the pooled features",
        )
    return score, found


def _left_share(right: float | None, left: float | None) -> float:
    if right is None or left is None or right + left <= 0:
        return float("nan")
    return left / (right + left)


def measure_masks(
    model: SeverityModel,
    masks: Sequence[FilmMask],
    patients: Sequence[str],
    scale: str = "geographic_extent",
    repeats: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> MaskAgreement:
    """Compare contribution maps with expert masks of ground glass and consolidation.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    masks : sequence of FilmMask
        Of kind ``"findings"``.
    patients : sequence of str
        Patient of each mask, for the bootstrap.
    scale : str, optional
        Whose map.
    repeats : int, optional
        Draws of the bootstrap over patients.
    progress : callable, optional
        Called with the number of films done.
    """
    size = model.backbone.record.input.size
    rows = []
    for done, (mask, patient) in enumerate(zip(masks, patients, strict=True), start=1):
        bits = read_mask(mask.path)
        opaque = (bits & (GROUND_GLASS | CONSOLIDATION)) > 0
        lung = (bits & (RIGHT_LUNG | LEFT_LUNG)) > 0
        score, found = _scored(model, mask, scale)
        if progress is not None:
            progress(done)
        inside = opaque[lung]
        if not inside.any() or inside.all() or found.contributions is None:
            continue
        places = map_on_mask(found.contributions, score.placement, size, bits.shape)
        in_right = int((opaque & ((bits & RIGHT_LUNG) > 0)).sum())
        in_left = int((opaque & ((bits & LEFT_LUNG) > 0)).sum())
        rows.append(
            (
                mask.original,
                patient,
                auroc(inside, places[lung]),
                _left_share(found.right, found.left),
                _left_share(in_right, in_left),
            )
        )
    areas = np.array([row[2] for row in rows])
    ours = np.array([row[3] for row in rows])
    theirs = np.array([row[4] for row in rows])

    def statistics(draw: Draw) -> dict[str, float]:
        index = draw.index[np.isfinite(ours[draw.index] + theirs[draw.index])]
        share = pearson(theirs[index], ours[index]) if len(index) > 2 else float("nan")
        return {"auroc": float(areas[draw.index].mean()), "left_share": share}

    groups = [row[1] for row in rows]
    figures = PatientBootstrap(groups, repeats).estimate(statistics)
    return MaskAgreement(
        len(rows),
        len(set(groups)),
        figures["auroc"],
        figures["left_share"],
        {row[0]: row[2] for row in rows},
    )


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
    from pneumoscore.cohort.leakage import film_stem

    means = {
        zone: {
            film_stem(film): float(value)
            for film, value in zip(
                brixia[zone].films, np.nanmean(brixia[zone].values, axis=1), strict=True
            )
        }
        for zone in BRIXIA_ZONES
    }
    size = model.backbone.record.input.size
    used = [mask for mask in masks if film_stem(mask.original) in means[BRIXIA_ZONES[0]]]
    ours = np.empty((len(used), len(BRIXIA_ZONES)))
    theirs = np.empty_like(ours)
    for row, mask in enumerate(used):
        lung = read_mask(mask.path) > 0
        score, found = _scored(model, mask, scale)
        if found.contributions is None:
            continue
        places = map_on_mask(found.contributions, score.placement, size, lung.shape)
        # Of equal films of other sizes the sums must be equal: weigh by the share of a place.
        for column, (name, zone) in enumerate(lung_zones(lung).items()):
            ours[row, column] = float(places[zone].sum()) / lung.size
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
