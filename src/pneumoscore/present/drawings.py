"""Small drawings within a line or a cell of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumoscore.present.pages import page_environment
from pneumoscore.severity.scale import Scale

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["sparkline_svg"]


def sparkline_svg(days: Sequence[float], values: Sequence[float], scale: Scale) -> Markup:
    """Return a small chart of one series over the whole range of its scale.

    Parameters
    ----------
    days : sequence of float
        When, rising.
    values : sequence of float
        On `scale`, one for each day.
    scale : Scale
        Of the values.
    """
    span = days[-1] - days[0] if days else 0.0
    points = [
        (
            (day - days[0]) / span if span else 0.5,
            (value - scale.low) / (scale.high - scale.low),
        )
        for day, value in zip(days, values, strict=True)
    ]
    label = f"{scale.title}: {len(points)} films, last {values[-1]:.1f}" if points else "no films"
    macros = page_environment().get_template("macros.html").module
    drawing: Markup = macros.sparkline(points, label)  # type: ignore[attr-defined]
    return drawing
