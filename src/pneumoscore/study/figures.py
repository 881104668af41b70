"""The figures that the model card and the README show, each beside its goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.brixia import load_brixia
from pneumoscore.cohort.leakage import film_stem
from pneumoscore.cohort.public import (
    FILM_FOLDERS,
    load_cohen94,
    load_collection_visible,
    load_masks,
    load_other_views,
)
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import OPACITY
from pneumoscore.study.evaluation import Evaluation, evaluate
from pneumoscore.study.features import film_features
from pneumoscore.study.measures.place import measure_masks
from pneumoscore.study.measures.rejection import (
    Rejection,
    blank_images,
    measure_rejection,
    noise_images,
    photographs,
)
from pneumoscore.study.measures.steadiness import measure_steadiness
from pneumoscore.study.measures.zones import measure_zones
from pneumoscore.study.output import Table, format_estimate, format_number
from pneumoscore.study.predictions import (
    PredictionTable,
    predict_cohort,
    predictions_of,
    read_predictions,
)
from pneumoscore.study.reproduce import PAPER_SCALES, run_all_sets
from pneumoscore.study.statistics.coverage import coverage, score_bins

__all__ = [
    "FigureResult",
    "FigureRow",
    "accuracy_figure",
    "coverage_figure",
    "cross_validation_figure",
    "figures_overview",
    "place_figure",
    "protocol_figure",
    "rejection_figure",
    "steadiness_figure",
    "unseen_evaluations",
]

Progress = Callable[[int], None]
_RADIOLOGIST = {"geographic_extent": (0.79, 0.92), "opacity": (0.57, 0.90)}
_PAPER = {"geographic_extent": (1.14, 0.80), "opacity": (0.78, 0.78)}
_CROSS_VALIDATED = {"geographic_extent": 0.90, "opacity": 0.64}


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure beside its goal.

    Attributes
    ----------
    figure, value, goal : str
        As shown.
    met : bool or None
        Whether the goal is reached; None where there is no goal.
    """

    figure: str
    value: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class FigureResult:
    """One numbered figure.

    Attributes
    ----------
    number : int
        1 protocol, 2 accuracy on the 94, 3 cross-validation, 4 place, 5 steadiness,
        6 coverage, 7 rejection.
    rows : tuple of FigureRow
        As shown.
    numbers : mapping of str to Any
        Every number, for JSON.
    """

    number: int
    rows: tuple[FigureRow, ...]
    numbers: Mapping[str, Any]


def figures_overview(results: Sequence[FigureResult]) -> Table:
    """Return all figures as one table."""
    words = {True: "met", False: "missed", None: "-"}
    return Table(
        "Figures of the model",
        ("", "figure", "value", "goal", ""),
        tuple(
            (str(result.number), row.figure, row.value, row.goal or "-", words[row.met])
            for result in results
            for row in result.rows
        ),
        "Intervals are 95 %, by bootstrap over patients.",
    )


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


def _aligned(tables: Mapping[str, PredictionTable]) -> dict[str, PredictionTable]:
    """Put RALO opacity on 0-6 where no table is on that scale."""
    found = dict(tables)
    if "opacity" not in found and "opacity_ralo" in found:
        ralo = found.pop("opacity_ralo")
        factor = 6 / 8
        found["opacity"] = replace(
            ralo,
            scale=OPACITY,
            targets=ralo.targets * factor,
            predictions=ralo.predictions * factor,
            lows=ralo.lows * factor,
            highs=ralo.highs * factor,
        )
    return found


def cross_validation_figure(predictions: Path, repeats: int) -> FigureResult:
    """Figure 3: out-of-fold predictions of the scored films, overall, by view and source.

    Opacity on the RALO scale is put on 0-6 by the factor 6/8.
    """
    rows, numbers = [], {}
    for scale, table in _aligned(read_predictions(predictions)).items():
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


def place_figure(
    data: Path, model: SeverityModel, repeats: int, progress: Progress | None = None
) -> FigureResult:
    """Figure 4: contribution map against expert masks and Brixia zones."""
    patients = {film_stem(film.name): film.patient for film in load_collection_visible(data)}
    masks = load_masks(data, "findings")
    rows, numbers = [], {}
    for name, kept in (
        ("films of the 94", [mask for mask in masks if mask.image.parent.name == "cohen94"]),
        ("all masks", list(masks)),
    ):
        groups = [patients.get(film_stem(mask.original), mask.original) for mask in kept]
        found = measure_masks(model, kept, groups, repeats=repeats, progress=progress)
        numbers[name] = {
            "films": found.films,
            "patients": found.patients,
            "auroc": found.auroc,
            "left_share_r": found.left_share,
            "auroc_by_film": found.by_film,
        }
        rows += [
            FigureRow(
                f"{name} ({found.films}): pixel AUROC inside the lungs",
                format_estimate(found.auroc),
                ">= 0.80",
                found.auroc.value >= 0.8,
            ),
            FigureRow(
                f"{name}: left share, r",
                format_estimate(found.left_share),
                ">= 0.80",
                found.left_share.value >= 0.8,
            ),
        ]
    count, zones = measure_zones(
        model,
        load_masks(data, "lungs"),
        load_brixia(data / "brixia.csv"),
        patients,
        repeats=repeats,
        progress=progress,
    )
    numbers["zones"] = {"films": count, "spearman": zones}
    for zone, rho in zones.items():
        judged = zone == "mean"
        rows.append(
            FigureRow(
                f"Brixia zone {zone} ({count} films): Spearman rho",
                format_estimate(rho),
                ">= 0.60" if judged else "",
                rho.value >= 0.6 if judged else None,
            )
        )
    return FigureResult(4, tuple(rows), numbers)


def steadiness_figure(
    data: Path, model: SeverityModel, progress: Progress | None = None
) -> FigureResult:
    """Figure 5: change of the scores of the 94 under changes of the film."""
    paths = [film.path for film in load_cohen94(data)]
    found = measure_steadiness(model, paths, PAPER_SCALES, progress)
    rows, numbers = [], {}
    for scale, item in found.items():
        pooled = item.pooled()
        numbers[scale] = {"all": pooled, "by_perturbation": item.by_perturbation()}
        judged = scale == "geographic_extent"
        for name, goal in (("median", 0.15), ("p95", 0.5), ("largest", None)):
            with_goal = judged and goal is not None
            rows.append(
                FigureRow(
                    f"{scale}, all changes: {name}",
                    format_number(pooled[name]),
                    f"<= {goal:.2f}" if with_goal else "",
                    bool(goal is not None and pooled[name] <= goal) if with_goal else None,
                )
            )
        rows += [
            FigureRow(
                f"{scale}, {name}: median; p95",
                f"{values['median']:.2f}; {values['p95']:.2f}",
            )
            for name, values in item.by_perturbation().items()
        ]
    return FigureResult(5, tuple(rows), numbers)


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


def _rejections(
    data: Path, model: SeverityModel, progress: Progress | None
) -> tuple[list[Rejection], Rejection]:
    other = load_other_views(data)
    kinds = {
        "lateral films": [film.path for film in other if film.source == "X-ray"],
        "CT slices": [film.path for film in other if film.source == "CT"],
        "photographs": photographs(),
    }
    wrong = [measure_rejection(model, kind, paths, progress) for kind, paths in kinds.items()]
    wrong.append(measure_rejection(model, "blank", blank_images(), progress))
    wrong.append(measure_rejection(model, "noise", noise_images(), progress))
    frontal = sorted(
        path for folder in FILM_FOLDERS for path in (data / folder).iterdir() if path.is_file()
    )
    return wrong, measure_rejection(model, "frontal films", frontal, progress)


def rejection_figure(
    data: Path, model: SeverityModel, progress: Progress | None = None
) -> FigureResult:
    """Figure 7: what is refused and should be, and what should not be."""
    wrong, frontal = _rejections(data, model, progress)
    rows = [
        FigureRow(
            f"{item.kind}: refused",
            f"{item.refused} of {item.images} ({item.share:.1%})",
            ">= 98 %",
            item.share >= 0.98,
        )
        for item in wrong
    ]
    total = float(np.sum([item.refused for item in wrong]) / np.sum([i.images for i in wrong]))
    rows.append(FigureRow("all of these: refused", f"{total:.1%}", ">= 98 %", total >= 0.98))
    rows.append(
        FigureRow(
            "real frontal films: wrongly refused",
            f"{frontal.refused} of {frontal.images} ({frontal.share:.1%})",
            "<= 1 %",
            frontal.share <= 0.01,
        )
    )
    numbers = {
        item.kind: {
            "images": item.images,
            "refused": item.refused,
            "reasons": item.reasons,
            "let_through": list(item.let_through),
        }
        for item in wrong
    }
    numbers["frontal films"] = {
        "images": frontal.images,
        "refused": frontal.refused,
        "reasons": frontal.reasons,
        "refused_names": list(frontal.refused_names),
    }
    return FigureResult(7, tuple(rows), numbers)
