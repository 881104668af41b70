"""Figure 5: how far a score moves when the film changes and the patient does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.cohort.public import load_cohen94
from pneumoscore.monitor.film_changes import CHANGES, change_film
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import Score
from pneumoscore.statistics.bootstrap import Draw, PatientBootstrap
from pneumoscore.study.reproduce import PAPER_SCALES
from training.goals.figures import FigureResult, FigureRow, Progress, estimate_row

__all__ = ["measure_steadiness", "steadiness_figure"]

_GOALS = {"crop 10 % a side": 0.9, "tubes drawn": 0.8}
_GOAL = 0.5
_LARGEST_SHORT_SIDE = 1024
_READ = ReadOptions(least_side=_LARGEST_SHORT_SIDE)

Changes = Mapping[str, NDArray[np.float64]]
"""Score of the changed film minus that of the film, by change; NaN where it changes nothing."""


def _not_larger(film: Radiograph) -> Radiograph:
    """Return a film small enough to change quickly, still several times the network's input."""
    factor = _LARGEST_SHORT_SIDE / min(film.pixels.shape)
    if factor >= 1:
        return film
    size = (round(film.columns * factor), round(film.rows * factor))
    return Radiograph(np.asarray(Image.fromarray(film.pixels).resize(size, Image.Resampling.BOX)))


def _as_read(film: Radiograph, file: Path) -> Radiograph:
    """Return a film as it is read from a file of 16 bits: its even borders are cut off."""
    values = np.round(np.clip(film.pixels, 0, 1) * 65535).astype(np.uint16)
    Image.fromarray(values).save(file, "PNG", compress_level=1)
    return read_radiograph(file)


def measure_steadiness(
    model: SeverityModel,
    paths: Sequence[Path],
    scales: Sequence[str],
    progress: Progress | None = None,
) -> dict[str, Changes]:
    """Score films as they are and under every change, each stored as a file and read again.

    Parameters
    ----------
    model : SeverityModel
        Which model; films that its gate refuses are scored all the same.
    paths : sequence of Path
        Frontal films; those with a shorter side over 1024 pixels are first shrunk to it.
    scales : sequence of str
        Which scores.
    progress : callable, optional
        Called with the number of films done.

    Returns
    -------
    dict of str to mapping of str to ndarray of float, shape (films,)
        By scale and change.
    """
    changes = {scale: {name: np.full(len(paths), np.nan) for name in CHANGES} for scale in scales}
    with TemporaryDirectory(prefix="pneumoscore-") as folder:
        file = Path(folder) / "changed.png"
        for place, path in enumerate(paths):
            film = _not_larger(read_radiograph(path, options=_READ))
            variants = {name: change_film(film, name) for name in CHANGES}
            changed = {
                name: _as_read(other, file)
                for name, other in variants.items()
                if not np.array_equal(other.pixels, film.pixels)
            }
            films = [_as_read(film, file), *changed.values()]
            scores = model.score_many(films, force=True, scales=list(scales))
            first, *others = (score for score in scores if isinstance(score, Score))
            for name, score in zip(changed, others, strict=True):
                for scale in scales:
                    changes[scale][name][place] = score[scale].value - first[scale].value
            if progress is not None:
                progress(place + 1)
    return {scale: dict(found) for scale, found in changes.items()}


def steadiness_figure(
    data: Path, model: SeverityModel, repeats: int, progress: Progress | None = None
) -> FigureResult:
    """Figure 5: the 95th percentile of the absolute change of the 94's scores, by change."""
    cohort = load_cohen94(data)
    found = measure_steadiness(model, [film.path for film in cohort], PAPER_SCALES, progress)
    rows: list[FigureRow] = []
    numbers: dict[str, dict[str, object]] = {}
    for scale, changes in found.items():
        numbers[scale] = {}
        for name, values in changes.items():
            known = np.flatnonzero(np.isfinite(values))
            if not len(known):
                continue
            moved = values[known]

            def statistics(draw: Draw, moved: NDArray[np.float64] = moved) -> dict[str, float]:
                size = np.abs(moved[draw.index])
                return {
                    "p95": float(np.quantile(size, 0.95)),
                    "median": float(np.median(size)),
                    "mean": float(moved[draw.index].mean()),
                }

            patients = [cohort.patients[index] for index in known]
            estimates = PatientBootstrap(patients, repeats).estimate(statistics)
            numbers[scale][name] = estimates | {"films": len(known)}
            goal = _GOALS.get(name, _GOAL) if scale == "geographic_extent" else None
            label = f"{scale}, {name}{'' if len(known) == len(values) else f' ({len(known)})'}"
            rows.append(estimate_row(f"{label}: p95", estimates["p95"], at_most=goal))
    return FigureResult(5, tuple(rows), numbers)
