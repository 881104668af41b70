"""The paper's tables and plots from one call, with every number, seed, hash and version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.session import Backbone
from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.files import first_line, write
from pneumoscore.present.table import Table, format_number, write_json, write_table
from pneumoscore.severity.features import FEATURE_SETS, select_features
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.study.features import CohortFeatures, film_features
from pneumoscore.study.paper_plots import draw_paper_plots
from pneumoscore.study.protocol import METRICS, SEEDS, ProtocolResult, run_protocol
from pneumoscore.study.published import PAPER_ABSTRACT_MAE, PAPER_TABLES

__all__ = ["PAPER_SCALES", "Reproduction", "protocol_table", "reproduce", "run_all_sets"]

PAPER_SCALES = ("geographic_extent", "opacity")
_TITLES = {
    "lung_opacity": "1 output (Lung Opacity)",
    "four_findings": "4 outputs",
    "findings": "all outputs",
    "features": "pooled features",
    "none": "no data",
}


@dataclass(frozen=True, slots=True, eq=False)
class Reproduction:
    """The protocol's results by scale and feature set.

    Attributes
    ----------
    results : mapping of str to mapping of str to ProtocolResult
        By scale, then feature set.
    unavailable : mapping of str to str
        Feature sets that the backbone does not offer, with the reason.
    """

    results: Mapping[str, Mapping[str, ProtocolResult]]
    unavailable: Mapping[str, str]

    def best_set(self, scale: str) -> str:
        """Return the feature set of the lowest mean error on a scale."""
        results = self.results[scale]
        return min(results, key=lambda name: results[name].summary()["mae"][0])


def run_all_sets(
    cohort: Cohort, features: CohortFeatures, findings: tuple[str, ...]
) -> Reproduction:
    """Run the protocol for every scale of the paper and every feature set.

    Parameters
    ----------
    cohort : Cohort
        Films, all labelled on both scales.
    features : CohortFeatures
        Of the same films, in the same order.
    findings : tuple of str
        Names of the backbone's findings.
    """
    unavailable: dict[str, str] = {}
    inputs: dict[str, NDArray[np.float64]] = {}
    for name in FEATURE_SETS:
        try:
            inputs[name] = select_features(features.output(), name, findings)
        except ModelError as error:
            unavailable[name] = str(error)
    results = {
        scale: {
            name: run_protocol(columns, cohort.labels(scale), cohort.patients)
            for name, columns in inputs.items()
        }
        for scale in PAPER_SCALES
    }
    return Reproduction(results, unavailable)


def _pair(values: tuple[float, float]) -> str:
    return f"{format_number(values[0])} ± {format_number(values[1])}"


def protocol_table(reproduction: Reproduction, scale: str) -> Table:
    """Return the paper's table of one scale with the published figures beside ours."""
    rows = []
    for name in FEATURE_SETS:
        result = reproduction.results[scale].get(name)
        summary = None if result is None else result.summary()
        published = PAPER_TABLES.get(scale, {}).get(name)
        cells = [_TITLES[name]]
        for metric in METRICS:
            cells.append("not available" if summary is None else _pair(summary[metric]))
            cells.append("-" if published is None else _pair(getattr(published, metric)))
        rows.append(tuple(cells))
    header = ["features"]
    for metric in ("Pearson r", "R²", "MAE", "MSE"):
        header += [metric, "paper"]
    notes = [
        "Mean ± SD over 50 splits, half the patients fitted, half tested (seeds 0-49).",
        f"The paper's abstract gives MAE {PAPER_ABSTRACT_MAE[scale]:.2f}.",
        *(f"{_TITLES[name]}: {why}." for name, why in reproduction.unavailable.items()),
        RESEARCH_NOTICE + ".",
    ]
    return Table(
        f"{scale_named(scale).title}: the paper's protocol", tuple(header), tuple(rows),
        " ".join(notes),
    )  # fmt: skip


def _versions() -> dict[str, str]:
    names = ("pneumoscore", "numpy", "scipy", "scikit-learn", "matplotlib", "onnxruntime")
    return {name: version(name) for name in names}


def _numbers(
    reproduction: Reproduction,
    backbone: Backbone,
    cohort: Cohort,
    features: CohortFeatures,
    places: NDArray[np.float64],
    saliency: str,
) -> dict[str, Any]:
    record = backbone.record
    return {
        "notice": RESEARCH_NOTICE,
        "protocol": "GroupShuffleSplit 50/50 by patient, LinearRegression, not clamped",
        "seeds": list(SEEDS),
        "cohort": {
            "name": cohort.name,
            "films": len(cohort),
            "patients": len(set(cohort.patients)),
            "files": {
                film.name: digest for film, digest in zip(cohort, features.file_hashes, strict=True)
            },
        },
        "backbone": {
            "name": record.name,
            "version": record.version,
            "sha256": record.sha256,
            "training_data": record.training_data,
        },
        "versions": _versions(),
        "results": {
            scale: {
                name: {
                    "summary": {
                        metric: {"mean": mean, "sd": sd}
                        for metric, (mean, sd) in result.summary().items()
                    },
                    "by_seed": result.figures,
                    "predictions": result.predictions,
                }
                for name, result in by_set.items()
            }
            for scale, by_set in reproduction.results.items()
        },
        "unavailable": dict(reproduction.unavailable),
        "tsne": places,
        "saliency": saliency,
    }


def reproduce(
    cohort: Cohort,
    backbone: Backbone,
    out: Path,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Table, ...]:
    """Write the paper's tables and plots for one backbone.

    Parameters
    ----------
    cohort : Cohort
        Films labelled on both scales (`pneumoscore.cohort.public.load_cohen94`).
    backbone : Backbone
        Frozen network.
    out : Path
        Folder to fill: ``tables/`` (CSV, Markdown), ``plots/`` (PNG, SVG),
        ``numbers.json``. Two runs with equal input write equal bytes.
    cache : Path, optional
        Folder of kept features.
    progress : callable, optional
        Called with the number of films whose features are known.

    Returns
    -------
    tuple of Table
        One for each scale, as printed by the command.

    Raises
    ------
    PneumoScoreError
        If a film lacks a label or cannot be read.
    """
    for scale in PAPER_SCALES:
        unlabelled = len(cohort) - len(cohort.labelled(scale))
        if unlabelled:
            raise PneumoScoreError(
                f"{unlabelled} of {len(cohort)} films have no label on {scale}",
                "every film labelled on both scales",
            )
    features = film_features(backbone, [film.path for film in cohort], cache, progress)
    reproduction = run_all_sets(cohort, features, backbone.record.findings)
    tables = tuple(protocol_table(reproduction, scale) for scale in PAPER_SCALES)
    for scale, table in zip(PAPER_SCALES, tables, strict=True):
        write_table(out / "tables", scale, table)
    text = "\n".join(table.markdown() for table in tables)
    data = text.encode("utf-8")
    write(out / "tables.md", data, header=first_line(data), make_folder=True)
    best = {scale: reproduction.best_set(scale) for scale in PAPER_SCALES}
    places, saliency = draw_paper_plots(
        {
            scale: (_TITLES[name], reproduction.results[scale][name].predictions)
            for scale, name in best.items()
        },
        backbone,
        cohort,
        features,
        out / "plots",
    )
    numbers = _numbers(reproduction, backbone, cohort, features, places, saliency)
    write_json(out / "numbers.json", numbers)
    return tables
