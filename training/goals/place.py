"""Figure 4: whether a score comes from the right place, on films that nothing was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.brixia import BRIXIA_ZONES, load_brixia
from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.public import FilmMask, load_cohen94, load_masks, read_mask
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.prepare import film_map
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import ScaleScore
from pneumoscore.statistics.accuracy import mae, pearson, spearman
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.discrimination import auroc
from training.goals.figures import FigureResult, FigureRow, Progress, estimate_row
from training.zones import lung_zones

__all__ = [
    "PlacedMask",
    "ZoneSums",
    "measure_masks",
    "measure_zones",
    "place_figure",
    "score_place",
]

_RIGHT, _LEFT, _OPAQUE = 1, 2, 4 | 8
_AUROC, _SHARE_R, _SHARE_ERROR, _WITHIN = 0.83, 0.78, 0.13, 0.62


@dataclass(frozen=True, slots=True)
class PlacedMask:
    """One film's contribution map against its expert mask.

    Attributes
    ----------
    auroc : float
        Of the map inside the lungs, opaque against clear pixels.
    share, marked_share : float
        Left lung's part of the score, and of the marked pixels; a score of 0 counts as one half.
    """

    auroc: float
    share: float
    marked_share: float


@dataclass(frozen=True, slots=True, eq=False)
class ZoneSums:
    """One film's contributions in the six Brixia zones beside the readers' scores.

    Attributes
    ----------
    ours, theirs : ndarray of float64, shape (6,)
        Points of the scale; mean of the readers, 0-3.
    score : float
        The film's score.
    """

    ours: NDArray[np.float64]
    theirs: NDArray[np.float64]
    score: float


def score_place(
    model: SeverityModel, mask: FilmMask, scale: str, shape: tuple[int, int]
) -> tuple[ScaleScore, NDArray[np.float64]]:
    """Score a mask's film and return its contributions at the mask's pixels.

    Returns
    -------
    tuple of ScaleScore and ndarray of float, shape `shape`
        Points of the scale for one pixel of the mask, which covers the whole film: they sum to
        the raw score minus the intercept, but for what lies outside the film and for
        interpolation.

    Raises
    ------
    ModelError
        If the head has no contribution map.
    """
    # With its borders: the mask is that of the whole file.
    film = read_radiograph(mask.image, options=ReadOptions(trim=False))
    score = model.score(film, force=True, scales=[scale])
    found = score[scale]
    if found.contributions is None:
        raise ModelError(
            f"the model {model.identity.name!r} has no contribution map on {scale}",
            "a head that is linear in the pooled features",
        )
    on_film = film_map(found.contributions, score.placement)
    rows, columns = (
        ((np.arange(count) + 0.5) * length / count).astype(np.intp)
        for count, length in zip(shape, on_film.shape, strict=True)
    )
    film_pixel = (
        score.placement.scale / score.placement.input_size
    ) ** 2 * found.contributions.size
    places = on_film[np.ix_(rows, columns)].astype(np.float64)
    return found, places * film_pixel * on_film.size / (shape[0] * shape[1])


def _left_share(right: float | None, left: float | None) -> float:
    """Return the left lung's part of a sum; one half where there is nothing to share."""
    if right is None or left is None or right + left <= 0:
        return 0.5
    return left / (right + left)


def measure_masks(
    model: SeverityModel,
    masks: Sequence[FilmMask],
    scale: str = "geographic_extent",
    progress: Progress | None = None,
) -> dict[str, PlacedMask]:
    """Compare contribution maps with expert masks of ground glass and consolidation.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    masks : sequence of FilmMask
        Of kind ``"findings"``.
    scale : str, optional
        Whose map.
    progress : callable, optional
        Called with the number of films done.

    Returns
    -------
    dict of str to PlacedMask
        By name of the film, of those with opaque and clear lung.
    """
    found = {}
    for done, mask in enumerate(masks, start=1):
        bits = read_mask(mask.path)
        opaque, lung = (bits & _OPAQUE) > 0, (bits & (_RIGHT | _LEFT)) > 0
        if (opaque & lung).any() and (lung & ~opaque).any():
            score, places = score_place(model, mask, scale, (bits.shape[0], bits.shape[1]))
            right, left = (float((opaque & ((bits & side) > 0)).sum()) for side in (_RIGHT, _LEFT))
            found[mask.original] = PlacedMask(
                auroc(opaque[lung], places[lung]),
                _left_share(score.right, score.left),
                _left_share(right, left),
            )
        if progress is not None:
            progress(done)
    return found


def measure_zones(
    model: SeverityModel,
    masks: Sequence[FilmMask],
    readers: dict[str, dict[str, float]],
    scale: str = "geographic_extent",
    progress: Progress | None = None,
) -> dict[str, ZoneSums]:
    """Add up the contributions in each lung zone, beside the readers' zone scores.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    masks : sequence of FilmMask
        Of kind ``"lungs"``.
    readers : dict of str to dict of str to float
        Mean zone score by zone and film stem; masks of other films are left out.
    scale, progress
        As in `measure_masks`.
    """
    found = {}
    for mask in masks:
        stem = film_stem(mask.original)
        if stem not in readers[BRIXIA_ZONES[0]]:
            continue
        lung = read_mask(mask.path) > 0
        score, places = score_place(model, mask, scale, (lung.shape[0], lung.shape[1]))
        found[mask.original] = ZoneSums(
            np.array([float(places[zone].sum()) for zone in lung_zones(lung).values()]),
            np.array([readers[zone][stem] for zone in BRIXIA_ZONES]),
            score.value,
        )
        if progress is not None:
            progress(len(found))
    return found


def _mask_rows(
    found: dict[str, PlacedMask], patients: Sequence[str], repeats: int
) -> tuple[list[FigureRow], dict[str, Estimate]]:
    areas, ours, theirs = (
        np.array([getattr(item, name) for item in found.values()])
        for name in ("auroc", "share", "marked_share")
    )

    def statistics(draw: Draw) -> dict[str, float]:
        share, marked = ours[draw.index], theirs[draw.index]
        return {
            "auroc": float(areas[draw.index].mean()),
            "share_r": pearson(marked, share),
            "share_error": mae(marked, share),
            "half_error": mae(marked, np.full(len(marked), 0.5)),
        }

    figures = PatientBootstrap(patients, repeats).estimate(statistics)
    return [
        estimate_row(
            f"expert masks ({len(found)} films): pixel AUROC inside the lungs",
            figures["auroc"],
            at_least=_AUROC,
        ),
        estimate_row("left lung's share: r", figures["share_r"], at_least=_SHARE_R),
        estimate_row("left lung's share: mean error", figures["share_error"], at_most=_SHARE_ERROR),
        estimate_row("left lung's share: mean error of one half always", figures["half_error"]),
    ], figures


def _within(theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank correlation over each film's zones; NaN where the readers see no order.

    Zones that the model holds for alike, where readers do not, count as no correlation.
    """
    rho = np.array([spearman(*pair) for pair in zip(theirs, ours, strict=True)])
    ordered = np.ptp(theirs, axis=1) > 0
    return np.where(ordered, np.nan_to_num(rho), np.nan)


def _zone_rows(
    found: dict[str, ZoneSums], patients: Sequence[str], repeats: int
) -> tuple[list[FigureRow], dict[str, Estimate]]:
    ours = np.stack([item.ours for item in found.values()])
    theirs = np.stack([item.theirs for item in found.values()])
    scores = np.array([item.score for item in found.values()])
    within = _within(theirs, ours)

    def statistics(draw: Draw) -> dict[str, float]:
        index = draw.index
        zones = range(len(BRIXIA_ZONES))
        return {
            "within": float(np.nanmean(within[index])),
            "across": float(np.mean([spearman(theirs[index, z], ours[index, z]) for z in zones])),
            "whole": float(np.mean([spearman(theirs[index, z], scores[index]) for z in zones])),
        }

    figures = PatientBootstrap(patients, repeats).estimate(statistics)
    count = int(np.isfinite(within).sum())
    return [
        estimate_row(
            f"Brixia zones within a film ({count} films): mean Spearman rho",
            figures["within"],
            at_least=_WITHIN,
        ),
        estimate_row(
            f"one Brixia zone over {len(found)} films: mean Spearman rho", figures["across"]
        ),
        estimate_row("the same, the whole score in every zone", figures["whole"]),
    ], figures


def place_figure(
    data: Path, model: SeverityModel, repeats: int, progress: Progress | None = None
) -> FigureResult:
    """Figure 4: contribution map against expert masks and Brixia zones of the 94.

    Other films' masks and zones may have taught the network, or their films' scores did.
    """
    patients = {film.name: film.patient for film in load_cohen94(data)}
    tables = load_brixia(data / "brixia.csv")
    readers = {
        zone: {
            film_stem(film): float(value)
            for film, value in zip(
                tables[zone].films, np.nanmean(tables[zone].values, axis=1), strict=True
            )
        }
        for zone in BRIXIA_ZONES
    }
    findings, lungs = (
        [mask for mask in load_masks(data, kind) if mask.image.name in patients]
        for kind in ("findings", "lungs")
    )
    images = {mask.original: mask.image.name for mask in (*findings, *lungs)}
    masks = measure_masks(model, findings, progress=progress)
    zones = measure_zones(model, lungs, readers, progress=progress)
    rows, numbers = _mask_rows(masks, [patients[images[name]] for name in masks], repeats)
    more, by_zone = _zone_rows(zones, [patients[images[name]] for name in zones], repeats)
    return FigureResult(
        4,
        (*rows, *more),
        {
            "masks": {"films": len(masks)} | numbers,
            "zones": {"films": len(zones)} | by_zone,
            "auroc_by_film": {name: item.auroc for name, item in masks.items()},
        },
    )
