"""How the built-in model's scores follow the known extent and density of phantoms.

Prints a Markdown table: rank correlation of score and truth over a grid, and how often a film
with more extent scores lower than one of the same patient with less.

Usage: python benchmarks/phantom_response.py [--model NAME] [--seeds N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.present.table import Table
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

EXTENTS = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
DENSITIES = (0.35, 0.6, 0.9)


def response(
    model: SeverityModel, seeds: int, view: str
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Return truth and score of extent, one row for each seed and density, along the extents."""
    truths, scores = [], []
    for seed in range(seeds):
        for density in DENSITIES:
            row = [
                _extent(model, PhantomSpec(disease, disease, seed=seed, size=512, view=view))
                for disease in (LungDisease(extent, density) for extent in EXTENTS)
            ]
            truths.append(tuple(truth for truth, _ in row))
            scores.append(tuple(score for _, score in row))
    return truths, scores


def _extent(model: SeverityModel, spec: PhantomSpec) -> tuple[float, float]:
    phantom = render_phantom(spec)
    score = model.score(Radiograph(phantom.pixels), force=True)
    share = (spec.right.extent + spec.left.extent) / 2
    return share, score["geographic_extent"].value


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values)
    order = array.argsort(kind="stable")
    ranks = np.empty(len(array))
    ranks[order] = np.arange(len(array))
    for value in np.unique(array):
        ranks[array == value] = ranks[array == value].mean()
    return ranks


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Return Spearman's correlation."""
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="severity model; default the built-in one")
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    model = SeverityModel.open(arguments.model)
    rows = []
    for view in ("PA", "AP"):
        truths, scores = response(model, arguments.seeds, view)
        flat_truth = [value for row in truths for value in row]
        flat_score = [value for row in scores for value in row]
        steps = np.diff(np.asarray(scores), axis=1)
        healthy = float(np.mean([row[0] for row in scores]))
        rows.append(
            (
                view,
                str(len(flat_score)),
                f"{rank_correlation(flat_truth, flat_score):.2f}",
                f"{(steps < -0.25).mean():.1%} of {steps.size}",
                f"{healthy:.1f}",
            )
        )
    header = ("view", "films", "rank correlation", "falls of over 0.25 with more extent",
              "no disease")  # fmt: skip
    print(Table("", header, tuple(rows)).markdown())


if __name__ == "__main__":
    main()
