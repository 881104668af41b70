"""A patient's timeline as one picture: scores, events, changes, films."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.change.verdict import PatientVerdict, ScaleVerdict
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS, drawable_time, event_label, when
from pneumoscore.present.plot_style import (
    ACCENT,
    FAINT,
    HIGHER,
    LOWER,
    OTHER,
    drawable,
    styled,
)
from pneumoscore.records.days import day_of
from pneumoscore.records.types import Timeline, TimelineFilm
from pneumoscore.severity.scale import scale_named
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["timeline_figure"]

_MARKERS = {"PA": "o", "AP": "s", None: "D"}
_MARKER_WORDS = {"PA": "PA film", "AP": "AP film", None: "view unknown"}
_MOST_FILMS = 12
_LETTERS = 130
_LANE = 1.0
"""Inches that the names of the events take above the charts."""
_NAME_WIDTH = 0.016
"""Width of one event's name, of the charts' width."""
_EVENT_LINE = (0, (2, 2))
_LUNGS = (("right", "--", OTHER), ("left", ":", LOWER))
_DAY = timedelta(days=1)


@styled
def timeline_figure(
    timeline: Timeline,
    verdict: PatientVerdict | None,
    *,
    scales: Sequence[str] = ("geographic_extent", "opacity"),
    per_lung: bool = False,
    name: str | None = None,
    heading: bool = True,
) -> Figure:
    """Draw a timeline.

    Above, the events; then one chart for each scale: the score with its interval band,
    circles for PA and squares for AP films (diamonds where it is not known; hollow where a
    quality flag stands), detected steps as arrows; a legend of all that is drawn; and the
    films with their maps.

    Parameters
    ----------
    timeline : Timeline
        With thumbnails, if they shall be shown.
    verdict : PatientVerdict or None
        None where the model has no error model: the picture says that changes were not judged.
    scales : sequence of str, optional
        What to draw.
    per_lung : bool, optional
        Whether to draw the right and left parts too.
    name : str, optional
        What to call the patient in the picture; by default the identifier.
    heading : bool, optional
        Whether patient and advice stand above; a page says them itself.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.figure import Figure

    # Records of before hold films of years that no axis of dates has.
    undrawn = [film for film in timeline.films if not drawable_time(film.taken_at)]
    timeline = replace(
        timeline, films=tuple(film for film in timeline.films if film not in undrawn)
    )
    pictures = [film for film in _shown_films(timeline.films) if film.thumbnail is not None]
    lane = [_LANE] if timeline.events else []
    heights = [*lane, *[2.5] * len(scales), 0.3, *([1.7] if pictures else [])]
    title = _title(timeline, verdict, name) if heading else ""
    figure = Figure(
        figsize=(10.0, sum(heights) + 0.4 + 0.17 * title.count("\n")), layout="constrained"
    )
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    first = None
    for place, scale in enumerate(scales, start=len(lane)):
        axis = figure.add_subplot(grid[place], sharex=first)
        first = first or axis
        _draw_scale(axis, timeline, scale, _part(verdict, scale), per_lung)
        axis.tick_params(labelbottom=place == len(lane) + len(scales) - 1)
    if lane:
        _draw_event_names(figure.add_subplot(grid[0], sharex=first), timeline)
    legend = figure.add_subplot(grid[len(lane) + len(scales)])
    legend.set_axis_off()
    legend.legend(
        handles=_legend(timeline, verdict, per_lung),
        loc="center", ncols=5, fontsize=7, frameon=False, borderpad=0.0,
    )  # fmt: skip
    if pictures:
        _draw_films(figure, grid[len(heights) - 1], timeline, pictures)
    if title:
        figure.suptitle(title, fontsize=9, ha="left", x=0.01)
    figure.supxlabel(
        drawable(_foot(timeline, len(pictures), len(undrawn))), fontsize=7, color=FAINT
    )
    return figure


def _part(verdict: PatientVerdict | None, scale: str) -> ScaleVerdict | None:
    parts = () if verdict is None else verdict.scales
    return next((part for part in parts if part.scale == scale), None)


def _title(timeline: Timeline, verdict: PatientVerdict | None, name: str | None) -> str:
    who = timeline.patient if name is None else name
    if verdict is None:
        return drawable(f"{who}: changes not judged, the model's error was not measured")
    advice = verdict.advice
    lines = [f"{who}: {ADVICE_MARKS[advice.word]} {advice.word}"]
    for reason in advice.reason.split("; ")[:3]:
        lines += textwrap.wrap(reason, _LETTERS)
    return drawable("\n".join(lines))


def _foot(timeline: Timeline, pictures: int, undrawn: int) -> str:
    model = timeline.model
    parts = [RESEARCH_NOTICE]
    if model is not None:
        parts.append(f"model {model.identity.name} {model.identity.version}")
    if timeline.other_models:
        others = ", ".join(
            f"{item.identity.name} {item.identity.version}" for item in timeline.other_models
        )
        parts.append(f"scores by {others} not shown")
    if undrawn:
        parts.append(f"{undrawn} films of impossible dates are not drawn")
    if 0 < pictures < len(timeline.films):
        parts.append(f"{pictures} of {len(timeline.films)} films pictured")
    return "; ".join(parts)


def _position(at: datetime, timeline: Timeline) -> Any:
    """Return where a time lies: a date, or a day."""
    return at if timeline.calendar else day_of(at)


def _draw_scale(
    axis: Any, timeline: Timeline, name: str, part: ScaleVerdict | None, per_lung: bool
) -> None:
    scale = scale_named(name)
    films = [film for film in timeline.films if name in film.values]
    times = [_position(film.taken_at, timeline) for film in films]
    values = [film.values[name] for film in films]
    bounds = [(item.low, item.high) for item in values]
    if films and all(low is not None and high is not None for low, high in bounds):
        lows, highs = zip(*bounds, strict=True)
        axis.fill_between(times, lows, highs, color=ACCENT, alpha=0.15, linewidth=0)
        if len(films) == 1:
            axis.plot([times[0]] * 2, [lows[0], highs[0]], color=ACCENT, alpha=0.3, linewidth=6)
    axis.plot(times, [item.value for item in values], color=ACCENT, linewidth=1.2)
    for film, at, item in zip(films, times, values, strict=True):
        marker = _MARKERS[projection(film.view)]
        face = "white" if film.flags else ACCENT
        axis.plot(at, item.value, marker=marker, color=ACCENT, markerfacecolor=face, markersize=5)
    if per_lung:
        _draw_lungs(axis, times, values)
    for event in timeline.events:
        at = _position(event.at, timeline)
        axis.axvline(at, color=FAINT, linewidth=0.8, linestyle=_EVENT_LINE)
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
    for side, style, colour in _LUNGS:
        parts = [getattr(item, side) for item in values]
        known = [np.nan if part is None else part for part in parts]
        axis.plot(times, known, linestyle=style, color=colour, linewidth=1.0)


def _draw_event_names(axis: Any, timeline: Timeline) -> None:
    """Name the events in a lane of their own; those too close for names of their own share."""
    axis.set_axis_off()
    axis.set_ylim(0.0, 1.0)
    low, high = axis.get_xlim()
    groups: list[tuple[float, list[str]]] = []
    for event in timeline.events:
        at = float(axis.convert_xunits(_position(event.at, timeline)))
        words = drawable(event_label(event.kind))
        near = _NAME_WIDTH * (high - low) * (len(groups[-1][1]) if groups else 1)
        if groups and at - groups[-1][0] < near:
            groups[-1][1].append(words)
        else:
            groups.append((at, [words]))
    for at, names in groups:
        more = [f"and {len(names) - 3} more"] if len(names) > 4 else []
        shown = names[:3] + more if more else names
        axis.text(
            at, 0.0, "\n".join(shown), rotation=90, va="bottom",
            ha="center" if len(shown) == 1 else "left", fontsize=6.5, color=FAINT,
        )  # fmt: skip


def _legend(timeline: Timeline, verdict: PatientVerdict | None, per_lung: bool) -> list[Any]:
    """Return the keys of what the charts show, and of nothing else."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    films = [film for film in timeline.films if film.values]
    keys: list[Any] = []
    for view in sorted({projection(film.view) for film in films}, key=str):
        keys.append(
            Line2D([], [], color=ACCENT, marker=_MARKERS[view], markersize=5, linewidth=1.2,
                   label=_MARKER_WORDS[view])
        )  # fmt: skip
    if any(film.flags for film in films):
        keys.append(
            Line2D([], [], color=ACCENT, marker="o", markerfacecolor="white", markersize=5,
                   linewidth=0.0, label="hollow: quality flag")
        )  # fmt: skip
    values = [item for film in films for item in film.values.values() if item.low is not None]
    if values:
        level = f"{100 * values[0].level:g} % interval"
        keys.append(Patch(color=ACCENT, alpha=0.15, linewidth=0.0, label=level))
    if per_lung:
        keys += [
            Line2D([], [], linestyle=style, color=colour, linewidth=1.0, label=f"{side} lung")
            for side, style, colour in _LUNGS
        ]
    if timeline.events:
        keys.append(
            Line2D([], [], color=FAINT, linestyle=_EVENT_LINE, linewidth=0.8, label="event")
        )
    steps = [item.call for part in (() if verdict is None else verdict.scales)
             for item in part.calls]  # fmt: skip
    for higher, colour, words in ((True, HIGHER, "rise called"), (False, LOWER, "fall called")):
        if any(step.higher is higher for step in steps):
            keys.append(
                Line2D([], [], color=colour, marker="^" if higher else "v", markersize=5,
                       linewidth=0.0, label=words)
            )  # fmt: skip
    return keys


def _draw_steps(axis: Any, timeline: Timeline, part: ScaleVerdict) -> None:
    for item in part.calls:
        film = part.films[item.call.seen]
        if not drawable_time(film.taken_at):
            continue
        value = film.values[part.scale].value
        higher = item.call.higher
        axis.annotate(
            f"{item.call.difference:+.1f}",
            (_position(film.taken_at, timeline), value),
            xytext=(0, -24 if higher else 24),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=7.5,
            color=HIGHER if higher else LOWER,
            arrowprops={"arrowstyle": "-|>", "color": HIGHER if higher else LOWER},
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
        axis.set_title(drawable(f"{text}\n{film.view or ''}".strip()), fontsize=6.5)
