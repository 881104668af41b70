"""Predictions for films whose patients the predicting network did not see, calibrated.

A network trained on painted and scored films together under-reads a little. A slope and an
offset, fitted to out-of-fold predictions, bring its scores to the readers' scale. Each part of
the cross-validation is calibrated on the other parts, so no film calibrates itself.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
from training.assess import COLUMNS

__all__ = [
    "Calibration",
    "HeldOutPredictions",
    "OutOfFold",
    "read_out_of_fold",
    "write_calibrated",
]

_LEVEL = 0.9

Vector = NDArray[np.float64]
Part = tuple[Vector, Vector, list[dict[str, str]]]
"""Raw predictions, labels and lines of a table's films."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A straight line from a network's score to the readers'.

    Attributes
    ----------
    slope, offset : float
        ``calibrated = slope * raw + offset``.
    """

    slope: float
    offset: float

    @classmethod
    def fitted(cls, raw: Vector, targets: Vector) -> Calibration:
        """Fit by least squares."""
        slope, offset = np.polyfit(raw, targets, 1)
        return cls(float(slope), float(offset))

    def apply(self, raw: Vector) -> Vector:
        """Return calibrated scores, not clipped."""
        return np.asarray(self.slope * raw + self.offset, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPredictions:
    """Calibrated predictions on one scale.

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
        For each part the lines of its table (`training.assess.COLUMNS`).
    calibrated : bool, optional
        Whether predictions are brought to the readers' scale by a line. Without one they are
        taken as they are, and opacity on 0-6 is 6/8 of that on 0-8.
    """

    def __init__(
        self, parts: Sequence[Sequence[dict[str, str]]], *, calibrated: bool = True
    ) -> None:
        self._parts = [list(part) for part in parts]
        self._fits = calibrated

    def _line(self, parts: Sequence[Part], scale: Scale) -> Calibration:
        if not self._fits:
            source = OPACITY_RALO if scale is OPACITY else scale
            return Calibration(scale.high / source.high, 0.0)
        return Calibration.fitted(
            np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        )

    def _calibrated(self, raw: Vector, parts: Sequence[Part], scale: Scale) -> Vector:
        line = self._line(parts, scale)
        return np.asarray(np.clip(line.apply(raw), scale.low, scale.high), dtype=np.float64)

    def _interval(self, parts: list[Part], scale: Scale) -> ConformalInterval:
        predictions = [
            self._calibrated(part[0], _without(parts, index), scale)
            for index, part in enumerate(parts)
        ]
        return fit_conformal(
            np.concatenate(predictions),
            np.concatenate([part[1] for part in parts]),
            [row["patient"] for part in parts for row in part[2]],
            scale,
        )

    def _raw(self, scale: Scale) -> list[Part]:
        source = OPACITY_RALO if scale is OPACITY else scale
        found = []
        for part in self._parts:
            rows = [row for row in part if row["scale"] == source.name]
            targets = np.array([float(row["target"]) for row in rows])
            if scale is OPACITY:
                targets = rescale_opacity(targets, OPACITY_RALO, OPACITY)
            found.append((np.array([float(row["prediction"]) for row in rows]), targets, rows))
        return found

    def calibration(self, scale: Scale) -> Calibration:
        """Return the line fitted to all parts, for the network that saw all of them."""
        return self._line(self._raw(scale), scale)

    def interval(self, scale: Scale) -> ConformalInterval:
        """Return the interval of all parts' errors, each part calibrated on the others."""
        return self._interval(self._raw(scale), scale)

    def on(self, scale: Scale) -> HeldOutPredictions:
        """Return the predictions on one scale, each part calibrated on the others.

        A part's interval rests on the other parts' errors alone, which are taken after a
        calibration that did not see the part either.
        """
        raw = self._raw(scale)
        calibrated, ends = [], []
        for index, (predictions, _, _) in enumerate(raw):
            others = _without(raw, index)
            values = self._calibrated(predictions, others, scale)
            interval = self._interval(others, scale)
            calibrated.append(values)
            ends += [interval.bounds(value, _LEVEL, scale) for value in values.tolist()]
        rows = tuple(row for part in raw for row in part[2])
        lows, highs = np.array(ends).T
        return HeldOutPredictions(
            np.concatenate(calibrated),
            np.concatenate([part[1] for part in raw]),
            lows,
            highs,
            tuple(row["patient"] for row in rows),
            rows,
        )


def _without(parts: list[Part], index: int) -> list[Part]:
    """Return the other parts; a part alone is its own."""
    return [part for other, part in enumerate(parts) if other != index] or parts


def _tables(runs: Path, name: str) -> list[list[dict[str, str]]]:
    paths = sorted(runs.glob(f"{name}-fold*/out_of_fold.csv"))
    if not paths:
        raise ModelError(
            f"no out-of-fold predictions of {name} below {runs}",
            "the tables of a cross-validation",
            f"run `python -m training crossvalidate {name}` first",
        )
    tables = []
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    return tables


def _averaged(tables: Sequence[list[dict[str, str]]]) -> list[dict[str, str]]:
    """Average the predictions of several networks for the same films."""
    rows = []
    for lines in zip(*tables, strict=True):
        identities = {tuple(line[key] for key in COLUMNS if key != "prediction") for line in lines}
        if len(identities) > 1:
            raise ModelError(
                f"the networks' out-of-fold tables differ at {lines[0]['file']}",
                "the same films in the same parts",
                "cross-validate all of them with the same code and data",
            )
        mean = sum(float(line["prediction"]) for line in lines) / len(lines)
        rows.append({**lines[0], "prediction": f"{mean:.5f}"})
    return rows


def read_out_of_fold(runs: Path, names: Sequence[str], *, calibrated: bool = True) -> OutOfFold:
    """Read the out-of-fold tables of cross-validated networks, and average them.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    names : sequence of str
        Configurations whose networks the shipped one consists of.
    calibrated : bool, optional
        As for `OutOfFold`.

    Raises
    ------
    ModelError
        If a network's tables are missing, or are not of the same films.
    """
    of_networks = [_tables(runs, name) for name in names]
    if len({len(tables) for tables in of_networks}) > 1:
        raise ModelError(
            "the networks have different numbers of parts", "the same cross-validation"
        )
    averaged = [_averaged(parts) for parts in zip(*of_networks, strict=True)]
    return OutOfFold(averaged, calibrated=calibrated)


def write_calibrated(out_of_fold: OutOfFold, path: Path) -> None:
    """Write the calibrated predictions of all parts as one table.

    Parameters
    ----------
    out_of_fold : OutOfFold
    path : Path
        CSV with the columns of `training.assess.COLUMNS`, and the ends of 90 % intervals.
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
