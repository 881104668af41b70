"""Figures 1, 2, 3 and 6: the paper's protocol, errors on unseen patients, coverage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.public import load_cohen94
from pneumoscore.present.table import format_estimate, format_number
from pneumoscore.severity.model import SeverityModel
from pneumoscore.statistics.coverage import coverage, score_bins
from pneumoscore.study.evaluation import Evaluation, evaluate
from pneumoscore.study.features import film_features
from pneumoscore.study.predictions import (
    predict_cohort,
    predictions_of,
    read_predictions,
)
from pneumoscore.study.reproduce import PAPER_SCALES, run_all_sets
from training.goals.figures import FigureResult, FigureRow, Progress

__all__ = [
    "accuracy_figure",
    "coverage_figure",
    "cross_validation_figure",
    "protocol_figure",
    "unseen_evaluations",
]

_RADIOLOGIST = {"geographic_extent": (0.79, 0.92), "opacity": (0.57, 0.90)}
_PAPER = {"geographic_extent": (1.14, 0.80), "opacity": (0.78, 0.78)}
_CROSS_VALIDATED = {"geographic_extent": 0.90, "opacity_ralo": 0.85}


def protocol_figure(
    data: Path, backbone: Backbone, cache: Path | None = None, progress: Progress | None = None
) -> FigureResult:
    """Figure 1: the paper's protocol on the 94 with a frozen backbone."""
    cohort = load_cohen94(data)
    features = film_features(backbone, [film.path for film in cohort], cache, progress)
    results = run_all_sets(cohort, features, backbone.record.findings)
    rows, numbers = [], {}
    for scale in PAPER_SCALES:
        summaries = {name: item.summary() for name, item in results.results[scale].items()}
        numbers[scale] = summaries
        best = results.best_set(scale)
        goal_mae, goal_r = _PAPER[scale]
        for name, summary in summaries.items():
            (error, error_sd), (r, r_sd) = summary["mae"], summary["pearson"]
            judged = name == best
            rows.append(
                FigureRow(
                    f"{scale}, {name}{' (best)' if judged else ''}: MAE; r",
                    f"{error:.2f} ± {error_sd:.2f}; {r:.2f} ± {r_sd:.2f}",
                    f"<= {goal_mae:.2f}; >= {goal_r:.2f}" if judged else "",
                    bool(error <= goal_mae and r >= goal_r) if judged else None,
                )
            )
    identity = {"name": backbone.record.name, "sha256": backbone.record.sha256}
    return FigureResult(1, tuple(rows), {"backbone": identity, "results": numbers})


def unseen_evaluations(
    data: Path, model: SeverityModel, repeats: int, progress: Progress | None = None
) -> dict[str, Evaluation]:
    """Score the 94 and evaluate them, without refitting; figures 2 and 6 read it."""
    cohort = load_cohen94(data)
    scores = predict_cohort(model, cohort, scales=PAPER_SCALES, progress=progress)
    return {
        scale: evaluate(predictions_of(model.identity.name, cohort, scores, scale), repeats)
        for scale in PAPER_SCALES
    }


def accuracy_figure(evaluations: Mapping[str, Evaluation]) -> FigureResult:
    """Figure 2: a model on the 94, nothing refitted, against the radiologist's error."""
    rows = []
    for scale, item in evaluations.items():
        goal_mae, goal_r = _RADIOLOGIST[scale]
        error, r = item.figures["mae"], item.figures["pearson"]
        rows += [
            FigureRow(
                f"{scale}: MAE", format_estimate(error), f"< {goal_mae:.2f}", error.value < goal_mae
            ),
            FigureRow(f"{scale}: r", format_estimate(r), f"> {goal_r:.2f}", r.value > goal_r),
        ]
    return FigureResult(
        2, tuple(rows), {scale: item.as_dict() for scale, item in evaluations.items()}
    )


def cross_validation_figure(predictions: Path, repeats: int) -> FigureResult:
    """Figure 3: out-of-fold predictions of the scored films, overall, by view and source.

    Opacity is judged on the scale of its labels, 0-8.
    """
    rows, numbers = [], {}
    for scale, table in read_predictions(predictions).items():
        item = evaluate(table, repeats)
        numbers[scale] = item.as_dict()
        goal = _CROSS_VALIDATED.get(scale)
        error = item.figures["mae"]
        rows.append(
            FigureRow(
                f"{scale}, {len(table)} films: MAE",
                format_estimate(error),
                "" if goal is None else f"<= {goal:.2f}",
                None if goal is None else error.value <= goal,
            )
        )
        rows.append(FigureRow(f"{scale}: r", format_estimate(item.figures["pearson"])))
        groups = [part for part in item.subgroups if part.group in ("view", "source")]
        rows += [
            FigureRow(
                f"{scale}, {part.group} {part.value} ({part.films}): MAE",
                format_estimate(part.figures["mae"]),
            )
            for part in groups
        ]
        views = [part.figures["mae"].value for part in groups if part.group == "view"]
        if len(views) > 1:
            ratio = max(views) / min(views)
            rows.append(
                FigureRow(
                    f"{scale}: worst view over best", f"{ratio:.2f}", "<= 1.25", ratio <= 1.25
                )
            )
    return FigureResult(3, tuple(rows), numbers)


def coverage_figure(evaluations: Mapping[str, Evaluation]) -> FigureResult:
    """Figure 6: coverage and width of the 90 % intervals on unseen patients."""
    rows, numbers = [], {}
    for scale, item in evaluations.items():
        table = item.table
        if not table.has_intervals:
            rows.append(FigureRow(f"{scale}: coverage", "the model gives no intervals"))
            continue
        share, width = item.figures["coverage"], item.figures["width"]
        rows.append(
            FigureRow(
                f"{scale}: coverage",
                format_estimate(share),
                "0.87-0.93",
                0.87 <= share.value <= 0.93,
            )
        )
        bins = {}
        for name, inside in score_bins(table.targets, table.scale.low, table.scale.high):
            value = coverage(table.targets[inside], table.lows[inside], table.highs[inside])
            bins[name] = {"films": int(inside.sum()), "coverage": value}
            count = int(inside.sum())
            rows.append(
                FigureRow(f"{scale}, label {name} ({count}): coverage", format_number(value))
            )
        judged = scale == "geographic_extent"
        rows.append(
            FigureRow(
                f"{scale}: mean width",
                format_estimate(width),
                "< 4 (± 2)" if judged else "",
                width.value < 4 if judged else None,
            )
        )
        numbers[scale] = {"coverage": share, "width": width, "bins": bins}
    return FigureResult(6, tuple(rows), numbers)
