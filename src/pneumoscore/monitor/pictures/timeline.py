"""A patient's timeline as one picture: scores, events, changes, films."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pneumoscore.monitor.change.assess import Assessment, ScaleAssessment
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS, event_label, when
from pneumoscore.records.types import Timeline, TimelineFilm, day_of
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["picture_bytes", "timeline_figure"]

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "pneumoscore",
    "svg.fonttype": "path",
}
_LINE, _RIGHT, _LEFT = "#1f5f8b", "#7a4fa3", "#2f8f6b"
_HIGHER, _LOWER, _EVENT, _FAINT = "#b5432f", "#2f7d4f", "#555555", "#8a8a8a"
_MARKERS = {"PA": "o", "AP": "s", None: "D"}
_MOST_FILMS = 12
_DAY = timedelta(days=1)


def timeline_figure(
    timeline: Timeline,
    assessment: Assessment | None,
    *,
    scales: Sequence[str] = ("geographic_extent", "opacity"),
    per_lung: bool = False,
    name: str | None = None,
) -> Figure:
    """Draw a timeline.

    Above, one chart for each scale: the score with its interval band, circles for PA and
    squares for AP films (diamonds where it is not known; hollow where a quality flag stands),
    events as vertical lines, detected steps as arrows. Below, the films with their maps.

    Parameters
    ----------
    timeline : Timeline
        With thumbnails, if they shall be shown.
    assessment : Assessment or None
        None where the model has no error model: the picture says that changes were not judged.
    scales : sequence of str, optional
        What to draw.
    per_lung : bool, optional
        Whether to draw the right and left parts too.
    name : str, optional
        What to call the patient in the picture; by default the identifier.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown = _shown_films(timeline.films)
    pictures = [film for film in shown if film.thumbnail is not None]
    with rc_context(_STYLE):
        figure = Figure(
            figsize=(10.0, 2.5 * len(scales) + 0.9 + (1.6 if pictures else 0.0)),
            layout="constrained",
        )
        heights = [2.5] * len(scales) + ([1.6] if pictures else [])
        grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        first = None
        for place, scale in enumerate(scales):
            axis = figure.add_subplot(grid[place], sharex=first)
            first = first or axis
            _draw_scale(axis, timeline, scale, _part(assessment, scale), per_lung)
            axis.tick_params(labelbottom=place == len(scales) - 1)
        if pictures:
            _draw_films(figure, grid[len(scales)], timeline, pictures)
        figure.suptitle(_title(timeline, assessment, name), fontsize=9, ha="left", x=0.01)
        figure.supxlabel(_foot(timeline, len(pictures)), fontsize=7, color=_FAINT)
    return figure


def _part(assessment: Assessment | None, scale: str) -> ScaleAssessment | None:
    parts = () if assessment is None else assessment.scales
    return next((part for part in parts if part.scale == scale), None)


def _title(timeline: Timeline, assessment: Assessment | None, name: str | None) -> str:
    who = timeline.patient if name is None else name
    if assessment is None:
        return f"{who}: changes not judged, the model's error was not measured"
    advice = assessment.advice
    lines = [f"{who}: {ADVICE_MARKS[advice.word]} {advice.word}"]
    lines += advice.reason.split("; ")[:3]
    return "\n".join(lines)


def _foot(timeline: Timeline, pictures: int) -> str:
    model = timeline.model
    parts = [RESEARCH_NOTICE]
    if model is not None:
        parts.append(f"model {model.identity.name} {model.identity.version}")
    if timeline.other_models:
        others = ", ".join(
            f"{item.identity.name} {item.identity.version}" for item in timeline.other_models
        )
        parts.append(f"scores by {others} not shown")
    if 0 < pictures < len(timeline.films):
        parts.append(f"{pictures} of {len(timeline.films)} films pictured")
    return "; ".join(parts)


def _position(at: datetime, timeline: Timeline) -> Any:
    """Return where a time lies: a date, or a day."""
    return at if timeline.calendar else day_of(at)


def _draw_scale(
    axis: Any, timeline: Timeline, name: str, part: ScaleAssessment | None, per_lung: bool
) -> None:
    scale = scale_named(name)
    films = [film for film in timeline.films if name in film.values]
    times = [_position(film.taken_at, timeline) for film in films]
    values = [film.values[name] for film in films]
    bounds = [(item.low, item.high) for item in values]
    if films and all(low is not None and high is not None for low, high in bounds):
        lows, highs = zip(*bounds, strict=True)
        axis.fill_between(times, lows, highs, color=_LINE, alpha=0.15, linewidth=0)
        if len(films) == 1:
            axis.plot([times[0]] * 2, [lows[0], highs[0]], color=_LINE, alpha=0.3, linewidth=6)
    axis.plot(times, [item.value for item in values], color=_LINE, linewidth=1.2)
    for film, at, item in zip(films, times, values, strict=True):
        marker = _MARKERS[projection(film.view)]
        face = "white" if film.flags else _LINE
        axis.plot(at, item.value, marker=marker, color=_LINE, markerfacecolor=face, markersize=5)
    if per_lung:
        _draw_lungs(axis, times, values)
    _draw_events(axis, timeline)
    if part is not None:
        _draw_steps(axis, timeline, part)
    margin = 0.04 * (scale.high - scale.low)
    axis.set_ylim(scale.low - margin, scale.high + margin)
    axis.set_ylabel(f"{scale.title}\n({scale.low:g}-{scale.high:g})")
    if timeline.calendar:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=10)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axis.set_xlabel("day")


def _draw_lungs(axis: Any, times: Sequence[Any], values: Sequence[Any]) -> None:
    for side, colour, style in (("right", _RIGHT, "--"), ("left", _LEFT, ":")):
        parts = [getattr(item, side) for item in values]
        known = [np.nan if part is None else part for part in parts]
        axis.plot(times, known, style, color=colour, linewidth=1.0, label=f"{side} lung")
    axis.legend(loc="upper right", fontsize=7, frameon=False, ncols=2)


def _draw_events(axis: Any, timeline: Timeline) -> None:
    for event in timeline.events:
        at = _position(event.at, timeline)
        axis.axvline(at, color=_EVENT, linewidth=0.8, linestyle=(0, (2, 2)))
        axis.annotate(
            event_label(event.kind),
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, -2),
            textcoords="offset points",
            rotation=90,
            va="top",
            fontsize=6.5,
            color=_EVENT,
        )


def _draw_steps(axis: Any, timeline: Timeline, part: ScaleAssessment) -> None:
    for item in part.steps:
        film = part.films[item.step.seen]
        value = film.values[part.scale].value
        higher = item.step.higher
        axis.annotate(
            f"{item.step.difference:+.1f}",
            (_position(film.taken_at, timeline), value),
            xytext=(0, -24 if higher else 24),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            color=_HIGHER if higher else _LOWER,
            arrowprops={"arrowstyle": "-|>", "color": _HIGHER if higher else _LOWER},
        )


def _shown_films(films: Sequence[TimelineFilm]) -> list[TimelineFilm]:
    """Return all films, or an even choice with the first and the last of too many."""
    if len(films) <= _MOST_FILMS:
        return list(films)
    places = np.unique(np.linspace(0, len(films) - 1, _MOST_FILMS).round().astype(int))
    return [films[place] for place in places]


def _draw_films(figure: Any, place: Any, timeline: Timeline, films: list[TimelineFilm]) -> None:
    from PIL import Image

    inner = place.subgridspec(1, max(len(films), 5), wspace=0.03)
    for column, film in enumerate(films):
        axis = figure.add_subplot(inner[column])
        with Image.open(io.BytesIO(film.thumbnail or b"")) as image:
            axis.imshow(np.asarray(image.convert("RGB")))
        axis.set_axis_off()
        text = when(film.taken_at, timeline.calendar).replace(" ", "\n", 1)
        axis.set_title(f"{text}\n{film.view or ''}".strip(), fontsize=6.5)


def picture_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as a PNG or SVG file, the same bytes each time.

    Parameters
    ----------
    figure : Figure
        From `timeline_figure`.
    kind : {"png", "svg"}
        Format.
    """
    from matplotlib import rc_context

    stream = io.BytesIO()
    metadata: dict[str, str | None] = {"Description": RESEARCH_NOTICE}
    metadata |= {"Date": None} if kind == "svg" else {"Software": None}
    with rc_context(_STYLE):
        figure.savefig(stream, format=kind, dpi=130, metadata=metadata)
    return stream.getvalue()
