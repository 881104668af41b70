"""A model against labels: errors, agreement, calibration, coverage, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.statistics.accuracy import mae, pearson, r_squared, rmse, spearman
from pneumoscore.statistics.bland_altman import bland_altman
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.calibration import (
    CalibrationBin,
    calibration_curve,
    calibration_line,
)
from pneumoscore.statistics.coverage import coverage, mean_width, score_bins
from pneumoscore.statistics.discrimination import auroc
from pneumoscore.statistics.icc import icc_agreement
from pneumoscore.study.predictions import PredictionTable

__all__ = [
    "SEVERE_CUT_POINTS",
    "Evaluation",
    "Subgroup",
    "compare",
    "evaluate",
    "main_figures",
    "subgroups_of",
]

SEVERE_CUT_POINTS = {
    "geographic_extent": (2.0, 4.0, 6.0),
    "opacity": (1.5, 3.0, 4.5),
    "opacity_ralo": (2.0, 4.0, 6.0),
}
"""Quarters of each scale's range; a film is severe at or above the cut-point."""

_SMALLEST_GROUP = 5


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Figures of some of the films.

    Attributes
    ----------
    group, value : str
        For example ``"view"``, ``"AP"``.
    films, patients : int
        How many.
    figures : dict of str to Estimate
        MAE, bias, Pearson's r and, with intervals, coverage and width.
    """

    group: str
    value: str
    films: int
    patients: int
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All figures of one model on one scale.

    Attributes
    ----------
    table : PredictionTable
        What was evaluated.
    figures : dict of str to Estimate
        Overall.
    severe : dict of float to Estimate
        AUROC for labels at or above each cut-point.
    subgroups : tuple of Subgroup
        By view, sex, age band, source and severity bin.
    curve : tuple of CalibrationBin
        Calibration curve.
    repeats : int
        Draws of the bootstrap over patients.
    """

    table: PredictionTable
    figures: dict[str, Estimate]
    severe: dict[float, Estimate]
    subgroups: tuple[Subgroup, ...]
    curve: tuple[CalibrationBin, ...]
    repeats: int

    def as_dict(self) -> dict[str, object]:
        """Return every number, for JSON."""
        return {
            "name": self.table.name,
            "scale": self.table.scale.name,
            "films": len(self.table),
            "patients": len(set(self.table.patients)),
            "bootstrap": {"repeats": self.repeats, "seed": 0, "level": 0.95, "by": "patient"},
            "figures": self.figures,
            "auroc_severe": {f"{cut:g}": value for cut, value in self.severe.items()},
            "subgroups": [
                {
                    "group": item.group,
                    "value": item.value,
                    "films": item.films,
                    "patients": item.patients,
                    "figures": item.figures,
                }
                for item in self.subgroups
            ],
            "calibration_curve": [
                {"prediction": item.prediction, "truth": item.truth, "films": item.films}
                for item in self.curve
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The numbers of some films: what a bootstrap draw needs."""

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    clusters: NDArray[np.intp]
    has_intervals: bool


def _sample(table: PredictionTable, draw: Draw) -> _Sample:
    return _Sample(
        table.targets[draw.index],
        table.predictions[draw.index],
        table.lows[draw.index],
        table.highs[draw.index],
        draw.clusters,
        table.has_intervals,
    )


def _short_figures(sample: _Sample) -> dict[str, float]:
    figures = {
        "mae": mae(sample.truth, sample.predicted),
        "bias": float((sample.predicted - sample.truth).mean()),
        "pearson": pearson(sample.truth, sample.predicted),
    }
    if sample.has_intervals:
        figures["coverage"] = coverage(sample.truth, sample.lows, sample.highs)
        figures["width"] = mean_width(sample.lows, sample.highs)
    return figures


def _limits(sample: _Sample) -> dict[str, float]:
    try:
        limits = bland_altman(sample.predicted, sample.truth, sample.clusters)
    except ValueError:
        return dict.fromkeys(("limit_low", "limit_high", "proportional_bias"), float("nan"))
    return {
        "limit_low": limits.low,
        "limit_high": limits.high,
        "proportional_bias": limits.slope,
    }


def _all_figures(sample: _Sample) -> dict[str, float]:
    truth, predicted = sample.truth, sample.predicted
    slope, intercept = calibration_line(truth, predicted)
    return (
        _short_figures(sample)
        | {
            "rmse": rmse(truth, predicted),
            "r_squared": r_squared(truth, predicted),
            "spearman": spearman(truth, predicted),
            "icc_a1": icc_agreement(np.column_stack([truth, predicted])),
            "calibration_slope": slope,
            "calibration_intercept": intercept,
        }
        | _limits(sample)
    )


def _bootstrapped(
    table: PredictionTable, statistics: Callable[[_Sample], dict[str, float]], repeats: int
) -> dict[str, Estimate]:
    bootstrap = PatientBootstrap(table.patients, repeats)
    return bootstrap.estimate(lambda draw: statistics(_sample(table, draw)))


def main_figures(table: PredictionTable, repeats: int = 1000) -> dict[str, Estimate]:
    """Return MAE, bias, Pearson's r and, with intervals, their coverage and mean width."""
    return _bootstrapped(table, _short_figures, repeats)


def _age_band(age: float) -> str:
    if not np.isfinite(age):
        return ""
    return "under 40" if age < 40 else "40-59" if age < 60 else "60 and over"


def subgroups_of(table: PredictionTable) -> list[tuple[str, str, NDArray[np.intp]]]:
    """Return the subgroups of at least five films: group, value and film indices."""
    columns = {
        "view": table.views,
        "sex": table.sexes,
        "age": tuple(_age_band(age) for age in table.ages),
        "source": table.sources,
    }
    found = []
    for group, values in columns.items():
        for value in sorted({item or "not stated" for item in values}):
            index = np.flatnonzero([(item or "not stated") == value for item in values])
            found.append((group, value, index))
    for name, inside in score_bins(table.targets, table.scale.low, table.scale.high):
        found.append(("label", name, np.flatnonzero(inside)))
    return [item for item in found if len(item[2]) >= _SMALLEST_GROUP]


def evaluate(table: PredictionTable, repeats: int = 1000) -> Evaluation:
    """Evaluate predictions against labels.

    Parameters
    ----------
    table : PredictionTable
        At least two films of two patients.
    repeats : int, optional
        Draws of the bootstrap over patients.

    Returns
    -------
    Evaluation
        Bias and Bland-Altman's limits are of prediction minus label.

    Raises
    ------
    ValueError
        With fewer than two films.
    """
    if len(table) < 2:
        raise ValueError(f"{len(table)} film(s) with a label; expected at least two")
    figures = _bootstrapped(table, _all_figures, repeats)
    cuts = SEVERE_CUT_POINTS[table.scale.name]
    by_cut = _bootstrapped(
        table,
        lambda part: {f"{cut:g}": auroc(part.truth >= cut, part.predicted) for cut in cuts},
        repeats,
    )
    subgroups = []
    for group, value, index in subgroups_of(table):
        part = table.take(index)
        subgroups.append(
            Subgroup(
                group,
                value,
                len(part),
                len(set(part.patients)),
                main_figures(part, repeats),
            )
        )
    return Evaluation(
        table,
        figures,
        {cut: by_cut[f"{cut:g}"] for cut in cuts},
        tuple(subgroups),
        calibration_curve(table.targets, table.predictions),
        repeats,
    )


def compare(
    first: PredictionTable, second: PredictionTable, repeats: int = 1000
) -> dict[str, Estimate]:
    """Compare two sets of predictions on the films they share.

    Parameters
    ----------
    first, second : PredictionTable
        Of the same scale, two models or a model and a reader.
    repeats : int, optional
        Draws of the bootstrap over patients; both are drawn together (paired).

    Returns
    -------
    dict of str to Estimate
        ``films``, then MAE and Pearson's r of both, and first minus second.

    Raises
    ------
    ValueError
        If the scales differ, or fewer than two films are shared.
    """
    if first.scale != second.scale:
        raise ValueError(f"scales {first.scale.name} and {second.scale.name}; expected one scale")
    places = {name: index for index, name in enumerate(second.films)}
    shared = [index for index, name in enumerate(first.films) if name in places]
    if len(shared) < 2:
        raise ValueError(f"{len(shared)} film(s) in both; expected at least two")
    ours = first.take(shared)
    theirs = second.take([places[name] for name in ours.films])

    def statistics(draw: Draw) -> dict[str, float]:
        index = draw.index
        truth = ours.targets[index]
        left, right = ours.predictions[index], theirs.predictions[index]
        values = {
            "mae_first": mae(truth, left),
            "mae_second": mae(truth, right),
            "pearson_first": pearson(truth, left),
            "pearson_second": pearson(truth, right),
        }
        values["mae_difference"] = values["mae_first"] - values["mae_second"]
        values["pearson_difference"] = values["pearson_first"] - values["pearson_second"]
        return values

    count = Estimate(float(len(shared)), float(len(shared)), float(len(shared)))
    return {"films": count} | PatientBootstrap(ours.patients, repeats).estimate(statistics)
