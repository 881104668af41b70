"""The figures that the model card and the README show, each beside its goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pneumoscore.present.table import Table

__all__ = ["FigureResult", "FigureRow", "Progress", "figures_overview"]

Progress = Callable[[int], None]
"""Called with the number of films done."""


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
