"""Figures 1, 2, 3 and 6: the paper's protocol, errors on unseen films, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.public import load_cohen94
from pneumoscore.severity.model import SeverityModel
from pneumoscore.statistics.coverage import score_bins
from pneumoscore.study.evaluation import main_figures
from pneumoscore.study.features import film_features
from pneumoscore.study.predictions import PredictionTable, predict_cohort, predictions_of
from pneumoscore.study.reproduce import PAPER_SCALES, run_all_sets
from training.goals.figures import FigureResult, FigureRow, Progress, estimate_row

__all__ = [
    "accuracy_figure",
    "coverage_figure",
    "cross_validation_figure",
    "protocol_figure",
    "unseen_predictions",
]

_PROTOCOL = {"geographic_extent": 0.85, "opacity": 0.60}
_UNSEEN = {"geographic_extent": (0.74, 0.92), "opacity": (0.55, 0.88)}
_CROSS_VALIDATED = {"geographic_extent": 0.78, "opacity_ralo": 0.68}
_WORST_VIEW = 1.15
_COVERAGE = (0.87, 0.93)
_COVERAGE_OF_PARTS = 0.84
_WIDTH = 3.2
_FEWEST = 5

Tables = Mapping[str, PredictionTable]
"""Predictions beside labels, by scale."""


def protocol_figure(
    data: Path, backbone: Backbone, cache: Path | None = None, progress: Progress | None = None
) -> FigureResult:
    """Figure 1: the paper's protocol on the 94 with a frozen backbone.

    Judged is the lowest error of all feature sets; which one that is, these films decide.
    """
    cohort = load_cohen94(data)
    features = film_features(backbone, [film.path for film in cohort], cache, progress)
    results = run_all_sets(cohort, features, backbone.record.findings)
    rows, numbers = [], {}
    for scale in PAPER_SCALES:
        summaries = {name: item.summary() for name, item in results.results[scale].items()}
        numbers[scale] = summaries
        best, goal = results.best_set(scale), _PROTOCOL[scale]
        for name, summary in summaries.items():
            (error, error_sd), (r, r_sd) = summary["mae"], summary["pearson"]
            lowest = name == best
            rows.append(
                FigureRow(
                    f"{scale}, {name}{f' (lowest of {len(summaries)})' if lowest else ''}: MAE; r",
                    f"{error:.2f} ± {error_sd:.2f}; {r:.2f} ± {r_sd:.2f}",
                    f"<= {goal:.2f}" if lowest else "",
                    bool(error <= goal) if lowest else None,
                )
            )
    return FigureResult(1, tuple(rows), numbers)


def unseen_predictions(
    data: Path, model: SeverityModel, progress: Progress | None = None
) -> dict[str, PredictionTable]:
    """Score the 94, those too that the gate would refuse, on both of the paper's scales."""
    cohort = load_cohen94(data)
    scored = predict_cohort(model, cohort, scales=PAPER_SCALES, progress=progress)
    return {scale: predictions_of(model.identity.name, scored, scale) for scale in PAPER_SCALES}


def accuracy_figure(unseen: Tables, repeats: int) -> FigureResult:
    """Figure 2: a model on the 94, nothing refitted."""
    rows, numbers = [], {}
    for scale, table in unseen.items():
        found = main_figures(table, repeats)
        numbers[scale] = found
        error, r = _UNSEEN[scale]
        rows += [
            estimate_row(f"{scale}, {len(table)} films: MAE", found["mae"], at_most=error),
            estimate_row(f"{scale}: r", found["pearson"], at_least=r),
            estimate_row(f"{scale}: bias", found["bias"]),
        ]
    return FigureResult(2, tuple(rows), numbers)


def _groups(values: tuple[str, ...]) -> dict[str, NDArray[np.intp]]:
    """Return the films of each value that at least five films have."""
    found = {value: np.flatnonzero(np.array(values) == value) for value in sorted(set(values))}
    return {value: index for value, index in found.items() if value and len(index) >= _FEWEST}


def cross_validation_figure(out_of_fold: Tables, repeats: int) -> FigureResult:
    """Figure 3: out-of-fold predictions of the scored films, overall, by view and source.

    Opacity is judged on the scale of its labels, 0-8.
    """
    rows, numbers = [], {}
    for scale, table in out_of_fold.items():
        found = main_figures(table, repeats)
        numbers[scale] = {"all": found}
        rows += [
            estimate_row(
                f"{scale}, {len(table)} films: MAE",
                found["mae"],
                at_most=_CROSS_VALIDATED.get(scale),
            ),
            estimate_row(f"{scale}: r", found["pearson"]),
        ]
        by_view = []
        for group, values in (("view", table.views), ("source", table.sources)):
            for value, index in _groups(values).items():
                part = main_figures(table.take(index), repeats)
                numbers[scale][f"{group} {value}"] = part
                rows.append(
                    estimate_row(f"{scale}, {group} {value} ({len(index)}): MAE", part["mae"])
                )
                if group == "view":
                    by_view.append(part["mae"].value)
        if len(by_view) > 1:
            # Without an interval: a draw's largest over its smallest error is biased upwards.
            ratio = max(by_view) / min(by_view)
            rows.append(
                FigureRow(
                    f"{scale}: worst view over best",
                    f"{ratio:.2f}",
                    f"<= {_WORST_VIEW:.2f}",
                    ratio <= _WORST_VIEW,
                )
            )
    return FigureResult(3, tuple(rows), numbers)


def _part_rows(
    name: str, table: PredictionTable, repeats: int, numbers: dict[str, object]
) -> list[FigureRow]:
    """Coverage by third of the label's range, above half of it, and by view."""
    scale = table.scale
    middle = (scale.low + scale.high) / 2
    parts = {
        f"label {value}": np.flatnonzero(inside)
        for value, inside in score_bins(table.targets, scale.low, scale.high)
    }
    parts[f"label above {middle:g}"] = np.flatnonzero(table.targets > middle)
    parts |= {f"view {view}": index for view, index in _groups(table.views).items()}
    rows = []
    for part, index in parts.items():
        if len(index) < _FEWEST:
            continue
        found = main_figures(table.take(index), repeats)["coverage"]
        numbers[f"{name}, {part}"] = {"films": len(index), "coverage": found}
        rows.append(
            estimate_row(
                f"{name}, {part} ({len(index)}): coverage", found, at_least=_COVERAGE_OF_PARTS
            )
        )
    return rows


def coverage_figure(unseen: Tables, out_of_fold: Tables, repeats: int) -> FigureResult:
    """Figure 6: coverage of the 90 % intervals.

    Of the 94 as a whole; of the 94 and the out-of-fold films together by third of the label
    and by view. Opacity has two scales, and its films are not put together.
    """
    rows: list[FigureRow] = []
    numbers: dict[str, object] = {}
    for scale, table in unseen.items():
        if not table.has_intervals:
            rows.append(FigureRow(f"{scale}: coverage", "the model gives no intervals"))
            continue
        found = main_figures(table, repeats)
        numbers[scale] = {"coverage": found["coverage"], "width": found["width"]}
        width = _WIDTH if scale == "geographic_extent" else None
        rows += [
            estimate_row(f"{scale}, the 94: coverage", found["coverage"], *_COVERAGE),
            estimate_row(f"{scale}, the 94: mean width", found["width"], at_most=width),
        ]
    for scale in {**out_of_fold, **unseen}:
        tables = [part[scale] for part in (out_of_fold, unseen) if scale in part]
        if all(table.has_intervals for table in tables):
            joined = PredictionTable.joined(tables)
            rows += _part_rows(f"{scale}, {len(joined)} films", joined, repeats, numbers)
        else:
            rows.append(FigureRow(f"{scale}, out of fold: coverage", "no intervals in the table"))
    return FigureResult(6, tuple(rows), numbers)
