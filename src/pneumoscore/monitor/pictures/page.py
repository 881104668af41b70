"""Pages without script, network or other files: a patient's timeline, the ward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumoscore.monitor.change.assess import Assessment, ScaleAssessment
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS, event_label, when
from pneumoscore.monitor.pictures.ward import Ward, WardRow
from pneumoscore.present.drawings import sparkline_svg
from pneumoscore.present.pages import render_page
from pneumoscore.present.table import Table
from pneumoscore.records.types import Timeline
from pneumoscore.severity.scale import scale_named

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["timeline_page", "ward_page"]


def timeline_page(
    timeline: Timeline, assessment: Assessment | None, chart: Markup, *, problem: str = ""
) -> str:
    """Return a timeline as a page: advice, picture, changes, events, notes.

    Parameters
    ----------
    timeline : Timeline
        What to show.
    assessment : Assessment or None
        What changed; None if it could not be judged.
    chart : Markup
        The picture (`pneumoscore.monitor.pictures.timeline`), as
        `pneumoscore.present.plot_style.page_svg` gives it.
    problem : str, optional
        Why changes were not judged.
    """
    advice = None
    if assessment is not None:
        word = assessment.advice.word
        advice = {"mark": ADVICE_MARKS[word], "word": word, "reason": assessment.advice.reason,
                  "rules": assessment.advice.rules}  # fmt: skip
    model = timeline.model
    return render_page(
        "timeline.html",
        title=f"Timeline of {timeline.patient}",
        advice=advice,
        problem="" if assessment is not None else problem,
        chart=chart,
        scales=[
            (_changes(timeline, part), _remarks(timeline, part))
            for part in (() if assessment is None else assessment.scales)
        ],
        tables=[*_events(timeline), *_notes(timeline)],
        model="" if model is None else f"{model.identity.name} {model.identity.version}",
    )


def _changes(timeline: Timeline, part: ScaleAssessment) -> Table:
    scale = scale_named(part.scale)
    rows = []
    for number, film in enumerate(part.films):
        item = film.values[part.scale]
        interval = "" if item.low is None else f"{item.low:.1f} to {item.high:.1f}"
        cells = (
            when(film.taken_at, timeline.calendar),
            film.view or "?",
            f"{item.value:.1f}",
            interval,
        )
        change: tuple[str, ...] = ("", "", "", "", "")
        if number:
            pair = part.pairs[number - 1]
            change = (
                f"{pair.difference:+.1f}",
                f"{pair.standard_error:.1f}",
                f"{pair.smallest_detectable:.1f}",
                pair.verdict,
                "; ".join(pair.warnings),
            )
        rows.append((*cells, *change))
    return Table(
        f"{scale.title} ({scale.low:g}-{scale.high:g})",
        ("film", "view", "score", "interval", "change", "SE", "SDC", "verdict", "comparability"),
        tuple(rows),
        "Change: from the film before. SE: its standard error. SDC: smallest detectable change.",
    )


def _remarks(timeline: Timeline, part: ScaleAssessment) -> list[str]:
    remarks = []
    trend = part.trend
    if trend is not None and trend.slope is not None:
        remarks.append(
            f"Trend at the last film: {trend.slope:+.2f} points a day "
            f"({trend.slope_low:+.2f} to {trend.slope_high:+.2f}), level {trend.level:.1f}."
        )
    firsts = [
        f"first detectable {word} since {event_label(part.reference)}: "
        f"{when(step.seen_at, timeline.calendar)}"
        for word, step in (
            ("worsening", part.first_worsening),
            ("improvement", part.first_improvement),
        )
        if step is not None
    ]
    if firsts:
        remarks.append(f"{'; '.join(firsts)}.")
    return remarks


def _events(timeline: Timeline) -> list[Table]:
    rows = [
        (when(event.at, timeline.calendar), event_label(event.kind), event.detail)
        for event in timeline.events
    ]
    return [Table("Events", ("when", "what", "detail"), tuple(rows))] if rows else []


def _notes(timeline: Timeline) -> list[Table]:
    rows = [(f"{note.at:%Y-%m-%d %H:%M} UTC", note.author, note.text) for note in timeline.notes]
    return [Table("Notes", ("written", "by", "text"), tuple(rows))] if rows else []


def ward_page(ward: Ward) -> str:
    """Return the ward as a page: one line for each patient."""
    scale = scale_named(ward.scale)
    rows: list[Sequence[str]] = []
    for row in ward.rows:
        advice = row.advice
        rows.append(
            (
                row.patient,
                sparkline_svg(row.days, row.values, scale),
                f"{row.values[-1]:.1f}",
                when(row.last_at, row.calendar, clock=False),
                _change(row),
                "not judged" if advice is None else f"{ADVICE_MARKS[advice.word]} {advice.word}",
                "; ".join(row.warnings),
            )
        )
    table = Table(
        f"{scale.title} ({scale.low:g}-{scale.high:g}), {ward.model}",
        ("patient", "course", "score", "last film", "change", "advice", "comparability"),
        tuple(map(tuple, rows)),
        "Course: all films, over the whole range of the score. Change: of the last film from "
        "the one before, in points and in smallest detectable changes (SDC).",
    )
    return render_page("ward.html", title="Ward", table=table, remark=ward.remark)


def _change(row: WardRow) -> str:
    if row.difference is None:
        return ""
    size = "" if row.size is None else f" ({abs(row.size):.1f} SDC)"
    return f"{row.difference:+.1f}{size}"
