"""The figures that the model card and the README show, each beside its goal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pneumoscore.present.table import Table, format_estimate
from pneumoscore.statistics.bootstrap import Estimate

__all__ = ["FigureResult", "FigureRow", "Progress", "estimate_row", "figures_overview"]

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


def estimate_row(
    figure: str, found: Estimate, at_least: float | None = None, at_most: float | None = None
) -> FigureRow:
    """Return an estimate beside its goal; it is met when the value itself lies in the range."""
    if at_least is None and at_most is None:
        return FigureRow(figure, format_estimate(found))
    met = (at_least is None or found.value >= at_least) and (
        at_most is None or found.value <= at_most
    )
    if at_least is not None and at_most is not None:
        goal = f"{at_least:.2f}-{at_most:.2f}"
    else:
        goal = f">= {at_least:.2f}" if at_least is not None else f"<= {at_most:.2f}"
    return FigureRow(figure, format_estimate(found), goal, bool(met))


@dataclass(frozen=True, slots=True)
class FigureResult:
    """One numbered figure.

    Attributes
    ----------
    number : int
        1 protocol, 2 accuracy on the 94, 3 cross-validation, 4 place, 5 steadiness,
        6 coverage, 7 refusal, 8 cost.
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
