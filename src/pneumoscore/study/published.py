"""Figures that others published, to stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PAPER_ABSTRACT_MAE", "PAPER_TABLES", "PublishedRow"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Mean and standard deviation over the paper's 50 splits.

    Attributes
    ----------
    pearson, r_squared, mae, mse : tuple of float
        Mean, standard deviation.
    """

    pearson: tuple[float, float]
    r_squared: tuple[float, float]
    mae: tuple[float, float]
    mse: tuple[float, float]


PAPER_TABLES: Mapping[str, Mapping[str, PublishedRow]] = {
    "geographic_extent": {
        "lung_opacity": PublishedRow((0.81, 0.04), (0.60, 0.08), (1.16, 0.10), (2.14, 0.33)),
        "four_findings": PublishedRow((0.81, 0.04), (0.61, 0.07), (1.17, 0.12), (2.13, 0.36)),
        "findings": PublishedRow((0.77, 0.06), (0.50, 0.19), (1.31, 0.20), (2.73, 0.93)),
        "features": PublishedRow((0.74, 0.08), (0.47, 0.15), (1.34, 0.13), (2.86, 0.61)),
        "none": PublishedRow((0.0, 0.0), (-0.09, 0.09), (2.07, 0.17), (5.97, 0.90)),
    }
}
"""By scale and feature set: the authors' notebook (repository mlmed/covid-severity).

The notebook's table for opacity is not at hand; of opacity only the abstract's error is
quoted, in `PAPER_ABSTRACT_MAE`.
"""

PAPER_ABSTRACT_MAE: Mapping[str, float] = {"geographic_extent": 1.14, "opacity": 0.78}
"""Mean absolute errors of the abstract of arXiv 2005.11856."""
