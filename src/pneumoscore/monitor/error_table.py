"""The smallest detectable change as a table, with what it rests on."""

from __future__ import annotations

import numpy as np

from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.present.table import Table
from pneumoscore.severity.scale import scale_named

__all__ = ["HUMAN_SDC", "detectable_table"]

HUMAN_SDC = 1.6
"""Smallest detectable change of a human reader of geographic extent (0-8), from published data:
1.96 root 2 SD root (1 - ICC) with the SD of 2.37 of the labels of Cohen et al. 2020 and the ICC
of .94 over 500 films (PMC7891126)."""


def detectable_table(errors: ErrorModel) -> Table:
    """Return the smallest detectable change by score, beside the human one."""
    rows = []
    for name, part in errors.scales.items():
        scale = scale_named(name)
        levels = np.linspace(scale.low, scale.high, 5)
        evidence = part.evidence
        human = f"{HUMAN_SDC:.1f}" if name == "geographic_extent" else "-"
        rows.append(
            (
                f"{scale.title} {scale.low:g}-{scale.high:g}",
                *(f"{part.smallest_detectable_change(float(level)):.2f}" for level in levels),
                human,
                f"{evidence.get('perturbation_sd', float('nan')):.2f} "
                f"({evidence.get('films', 0):.0f} films)",
                f"{evidence.get('pair_sd', float('nan')):.2f} "
                f"({evidence.get('pairs', 0):.0f} pairs, "
                f"{evidence.get('pair_patients', 0):.0f} patients)",
                f"{evidence.get('factor', 1.0):.2f}",
                f"{part.low:.2f} to {part.high:.2f}",
            )
        )
    return Table(
        f"Smallest detectable change of {errors.name} {errors.version}",
        (
            "score",
            "at 0 %",
            "25 %",
            "50 %",
            "75 %",
            "100 % of the scale",
            "a human reader",
            "error by perturbation",
            "error by films close in time",
            "factor",
            "its interval",
        ),
        tuple(rows),
        f"Points; 95 % of pairs without change differ by less. Measured by {errors.measured}. "
        "Error: standard deviation of one film's score, for films close in time by Huber's "
        "proposal 2, every patient counted alike. Factor: the same scale of the same differences, "
        "each divided by the error by perturbation at its pair's score, so not the ratio of the "
        "two columns; it is applied where it is over 1. Its interval: 95 % by bootstrap over "
        "patients, as multiples of the error used; a difference within it is called "
        '"perhaps higher" or "perhaps lower". Two readers\' mean scores of two films of one '
        "patient and day differ by .88 points of extent (standard deviation, RALO, 290 pairs): .62 "
        "for one film. A detectable change is not therefore an important one; no minimal "
        "important change is published.",
    )
