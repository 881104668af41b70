"""Whether a score comes from the right place: contribution map against expert masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.public import FilmMask, read_mask
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import ScaleScore
from pneumoscore.statistics.accuracy import pearson
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.discrimination import auroc

__all__ = ["MaskAgreement", "map_on_mask", "measure_masks", "score_place"]

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


def score_place(
    model: SeverityModel, mask: FilmMask, scale: str, shape: tuple[int, int]
) -> tuple[ScaleScore, NDArray[np.float64]]:
    """Score a mask's film and return its contributions at the mask's pixels.

    Returns
    -------
    tuple of ScaleScore and ndarray of float, shape `shape`
        Points of the scale for one pixel of the mask: they sum to the raw score minus the
        intercept, but for what lies outside the film and for interpolation.

    Raises
    ------
    ModelError
        If the head has no contribution map.
    """
    score = model.score(read_radiograph(mask.image), force=True, scales=[scale])
    found = score[scale]
    if found.contributions is None:
        raise ModelError(
            f"the model {model.identity.name!r} has no contribution map on {scale}",
            "a head that is linear in the pooled features",
        )
    size = model.backbone.record.input.size
    places = map_on_mask(found.contributions, score.placement, size, shape)
    rows, columns = score.placement.film_shape
    covered = rows * columns * (score.placement.scale / size) ** 2 * found.contributions.size
    return found, places * covered / (shape[0] * shape[1])


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
    rows = []
    for done, (mask, patient) in enumerate(zip(masks, patients, strict=True), start=1):
        bits = read_mask(mask.path)
        opaque = (bits & (GROUND_GLASS | CONSOLIDATION)) > 0
        lung = (bits & (RIGHT_LUNG | LEFT_LUNG)) > 0
        found, places = score_place(model, mask, scale, (bits.shape[0], bits.shape[1]))
        if progress is not None:
            progress(done)
        inside = opaque[lung]
        if not inside.any() or inside.all():
            continue
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
