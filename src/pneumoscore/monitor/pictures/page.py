"""Pages without script, network or other files: a patient's timeline, the ward."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pneumoscore.monitor.change.advice import Advice
from pneumoscore.monitor.change.verdict import PatientVerdict, ScaleVerdict
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS, event_label, when
from pneumoscore.monitor.ward import Ward, WardRow
from pneumoscore.present.drawings import sparkline_svg
from pneumoscore.present.pages import render_page
from pneumoscore.present.table import Table
from pneumoscore.records.identity import patient_name
from pneumoscore.records.types import Timeline
from pneumoscore.severity.scale import Scale, scale_named

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = [
    "advice_parts",
    "change_tables",
    "notes_tables",
    "timeline_page",
    "ward_page",
    "ward_table",
]


def timeline_page(
    timeline: Timeline, verdict: PatientVerdict | None, chart: Markup, *, problem: str = ""
) -> str:
    """Return a timeline as a page: advice, picture, changes, events, notes.

    Parameters
    ----------
    timeline : Timeline
        What to show.
    verdict : PatientVerdict or None
        What changed; None if it could not be judged.
    chart : Markup
        The picture (`pneumoscore.monitor.pictures.timeline`), as
        `pneumoscore.present.plot_style.page_svg` gives it.
    problem : str, optional
        Why changes were not judged.
    """
    model = timeline.model
    return render_page(
        "timeline.html",
        title=f"Timeline of {timeline.patient}",
        advice=None if verdict is None else advice_parts(verdict.advice),
        problem="" if verdict is not None else problem,
        chart=chart,
        scales=change_tables(timeline, verdict),
        tables=[*_events(timeline), *notes_tables(timeline)],
        model="" if model is None else f"{model.identity.name} {model.identity.version}",
    )


def advice_parts(advice: Advice) -> dict[str, str]:
    """Return an advice as templates show it: mark, word, reason, rules."""
    return {
        "mark": ADVICE_MARKS[advice.word],
        "word": advice.word,
        "reason": advice.reason,
        "rules": advice.rules,
    }


def change_tables(
    timeline: Timeline, verdict: PatientVerdict | None
) -> list[tuple[Table, list[str]]]:
    """Return for each scale its films with their verdicts, and what else is to be said of it."""
    return [
        (_changes(timeline, part), _remarks(timeline, part) + _against(timeline, part))
        for part in (() if verdict is None else verdict.scales)
    ]


def _changes(timeline: Timeline, part: ScaleVerdict) -> Table:
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


def _remarks(timeline: Timeline, part: ScaleVerdict) -> list[str]:
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


def _against(timeline: Timeline, part: ScaleVerdict) -> list[str]:
    return [
        f"The level now against {event_label(item.against)} "
        f"({when(item.at, timeline.calendar)}, level {item.level:.1f}): "
        f"{item.difference:+.1f} points, standard error {item.standard_error:.1f}, "
        f"{item.verdict}."
        for item in part.comparisons
    ]


def _events(timeline: Timeline) -> list[Table]:
    rows = [
        (when(event.at, timeline.calendar), event_label(event.kind), event.detail)
        for event in timeline.events
    ]
    return [Table("Events", ("when", "what", "detail"), tuple(rows))] if rows else []


def notes_tables(timeline: Timeline) -> list[Table]:
    """Return a table of the notes, where there are any."""
    rows = [(f"{note.at:%Y-%m-%d %H:%M} UTC", note.author, note.text) for note in timeline.notes]
    return [Table("Notes", ("written", "by", "text"), tuple(rows))] if rows else []


def ward_page(ward: Ward) -> str:
    """Return the ward as a page: one line for each patient."""
    table = ward_table(ward, lambda row, scale: sparkline_svg(row.days, row.values, scale))
    return render_page("ward.html", title="Ward", table=table, remark=ward.remark)


def ward_table(
    ward: Ward,
    course: Callable[[WardRow, Scale], str],
    *,
    name: Callable[[WardRow], str] | None = None,
    advice: Callable[[WardRow], str] | None = None,
) -> Table:
    """Return the ward as a table.

    Parameters
    ----------
    ward : Ward
        What to show.
    course : callable
        Draws a patient's films: a drawing for a page, letters for a terminal.
    name, advice : callable, optional
        What stands for the patient (a link) and for the advice; by default words.
    """
    scale = scale_named(ward.scale)
    rows = tuple(
        (
            patient_name(row.patient, row.issuer) if name is None else name(row),
            f"{ADVICE_MARKS[row.word]} {row.word}" if advice is None else advice(row),
            course(row, scale),
            f"{row.values[-1]:.1f}",
            _change(row),
            _last(row),
            "; ".join(row.warnings),
        )
        for row in ward.rows
    )
    return Table(
        f"{scale.title} ({scale.low:g}-{scale.high:g}), {ward.model}",
        ("patient", "advice", "course", "score", "change", "last film", "remarks"),
        rows,
        "Advice: of all scores that the rules watch, the most pressing. Course: all films, over "
        "the whole range of the score. Change: of the last film from the one before, in points, "
        "and of the level, in standard errors.",
        whole_names=True,
    )


def _last(row: WardRow) -> str:
    ago = "" if row.days_ago is None else f" ({row.days_ago:.0f} d ago)"
    return when(row.last_at, row.calendar, clock=False) + ago


def _change(row: WardRow) -> str:
    if row.difference is None:
        return ""
    size = "" if row.size is None else f" ({row.size:+.1f})"
    return f"{row.difference:+.1f}{size}"
