"""Predictions for films whose patients the predicting network did not see."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.severity.interval import ConformalInterval, fit_conformal
from pneumoscore.severity.scale import (
    GEOGRAPHIC_EXTENT,
    OPACITY,
    OPACITY_RALO,
    Scale,
    rescale_opacity,
)
from training.scored import ScoredFilm

__all__ = [
    "COLUMNS",
    "HeldOutPredictions",
    "OutOfFold",
    "read_out_of_fold",
    "slope_of",
    "write_held_out",
    "write_scores",
]

COLUMNS = ("file", "patient", "view", "source", "scale", "target", "prediction")
_LEVEL = 0.9

Vector = NDArray[np.float64]
Part = tuple[Vector, Vector, list[dict[str, str]]]
"""Predictions, labels and lines of a table's films."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPredictions:
    """Predictions on one scale.

    Attributes
    ----------
    predictions, targets : ndarray of float64, shape (n,)
        Clipped to the scale; what readers gave.
    lows, highs : ndarray of float64, shape (n,)
        Ends of 90 % intervals, calibrated on the other parts.
    patients : tuple of str, length n
    rows : tuple of dict
        The table's line of each film.
    """

    predictions: Vector
    targets: Vector
    lows: Vector
    highs: Vector
    patients: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


class OutOfFold:
    """All parts of a cross-validation.

    Parameters
    ----------
    parts : sequence of sequence of dict
        For each part the lines of its table (`COLUMNS`).
    """

    def __init__(self, parts: Sequence[Sequence[dict[str, str]]]) -> None:
        self._parts = [list(part) for part in parts]

    def _on(self, scale: Scale) -> list[Part]:
        source = _source(scale)
        found = []
        for part in self._parts:
            rows = [row for row in part if row["scale"] == source.name]
            values = np.array([float(row["prediction"]) for row in rows]) * slope_of(scale)
            targets = np.array([float(row["target"]) for row in rows])
            if scale is OPACITY:
                targets = rescale_opacity(targets, OPACITY_RALO, OPACITY)
            found.append((np.clip(values, scale.low, scale.high), targets, rows))
        return found

    def interval(self, scale: Scale) -> ConformalInterval:
        """Return the interval of all parts' errors."""
        return _interval(self._on(scale), scale)

    def on(self, scale: Scale) -> HeldOutPredictions:
        """Return the predictions on one scale; a part's interval rests on the other parts alone."""
        parts = self._on(scale)
        ends = []
        for index, (values, _, _) in enumerate(parts):
            interval = _interval(_without(parts, index), scale)
            ends += [interval.bounds(value, _LEVEL, scale) for value in values.tolist()]
        rows = tuple(row for part in parts for row in part[2])
        lows, highs = np.array(ends).T
        return HeldOutPredictions(
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
            lows,
            highs,
            tuple(row["patient"] for row in rows),
            rows,
        )


def _source(scale: Scale) -> Scale:
    """Return the scale of the labels that teach a scale."""
    return OPACITY_RALO if scale is OPACITY else scale


def slope_of(scale: Scale) -> float:
    """Return what a score on its labels' scale is multiplied by: 6/8 for opacity on 0-6."""
    return scale.high / _source(scale).high


def _interval(parts: Sequence[Part], scale: Scale) -> ConformalInterval:
    return fit_conformal(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        [row["patient"] for part in parts for row in part[2]],
        scale,
    )


def _without(parts: list[Part], index: int) -> list[Part]:
    """Return the other parts; a part alone is its own."""
    return [part for other, part in enumerate(parts) if other != index] or parts


def write_scores(
    path: Path, films: Sequence[ScoredFilm], scores: NDArray[np.floating[Any]]
) -> None:
    """Write predictions of scored films: one line for each film and scale.

    Parameters
    ----------
    path : Path
        CSV with the columns of `COLUMNS`; predictions are not clipped.
    films : sequence of ScoredFilm
        n films.
    scores : ndarray, shape (n, 2)
        Geographic extent and opacity (RALO).
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for film, row in zip(films, scores, strict=True):
        targets = (("geographic_extent", film.extent), ("opacity_ralo", film.opacity_ralo))
        for (scale, target), value in zip(targets, row, strict=True):
            identity = [film.name, film.patient, film.view, film.source]
            writer.writerow([*identity, scale, f"{target:.4f}", f"{value:.4f}"])
    write_atomically(path, stream.getvalue().encode())


def read_out_of_fold(runs: Path, name: str) -> OutOfFold:
    """Read the out-of-fold tables of cross-validated networks.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    name : str
        Their configuration.

    Raises
    ------
    ModelError
        If the tables are missing.
    """
    paths = sorted(runs.glob(f"{name}-fold*/out_of_fold.csv"))
    if not paths:
        raise ModelError(
            f"no out-of-fold predictions of {name} below {runs}",
            "the tables of a cross-validation",
            f"run `python -m training crossvalidate {name}` and `bundle {name}` first",
        )
    tables = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    return OutOfFold(tables)


def write_held_out(out_of_fold: OutOfFold, path: Path) -> None:
    """Write the predictions of all parts as one table.

    Parameters
    ----------
    out_of_fold : OutOfFold
    path : Path
        CSV with the columns of `COLUMNS`, and the ends of 90 % intervals.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=(*COLUMNS, "low", "high"), lineterminator="\n")
    writer.writeheader()
    for scale in (GEOGRAPHIC_EXTENT, OPACITY_RALO):
        found = out_of_fold.on(scale)
        columns = (found.rows, found.predictions, found.lows, found.highs)
        for row, *values in zip(*columns, strict=True):
            texts = (f"{value:.4f}" for value in values)
            writer.writerow(row | dict(zip(("prediction", "low", "high"), texts, strict=True)))
    write_atomically(path, stream.getvalue().encode())
