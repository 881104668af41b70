"""Figures 4, 5 and 7: place, steadiness, rejection."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pneumoscore.cohort.brixia import load_brixia
from pneumoscore.cohort.leakage import film_stem
from pneumoscore.cohort.public import (
    FILM_FOLDERS,
    load_cohen94,
    load_collection_visible,
    load_masks,
    load_other_views,
)
from pneumoscore.monitor.steadiness import measure_steadiness
from pneumoscore.present.table import format_estimate, format_number
from pneumoscore.severity.model import SeverityModel
from pneumoscore.study.reproduce import PAPER_SCALES
from training.goals.figures import FigureResult, FigureRow, Progress
from training.goals.place import measure_masks
from training.goals.rejection import (
    Rejection,
    blank_images,
    measure_rejection,
    noise_images,
    photographs,
)
from training.goals.zones import measure_zones

__all__ = ["place_figure", "rejection_figure", "steadiness_figure"]


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
