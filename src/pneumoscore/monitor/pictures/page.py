"""Pages without script, network or other files: a patient's timeline, the ward."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pneumoscore.monitor.change.assess import Assessment, ScaleAssessment
from pneumoscore.monitor.pictures.labels import ADVICE_MARKS, event_label, when
from pneumoscore.monitor.pictures.ward import Ward
from pneumoscore.present.page_head import NUMBER_CELLS, PageStyle, page_head
from pneumoscore.records.types import Timeline
from pneumoscore.severity.scale import Scale, scale_named

__all__ = ["sparkline_svg", "timeline_page", "ward_page"]

_COLOURS = """\
:root { --line: #ccc; --warn: #a04a00; --ink: #1f5f8b; }
"""
_RULES = f"""\
.advice {{ font-size: 1.15rem; }}
table {{ border-collapse: collapse; margin: .8rem 0 1.6rem; }}
th, td {{ text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
 vertical-align: middle; }}
{NUMBER_CELLS}
.warn {{ color: var(--warn); }}
.chart svg {{ width: 100%; height: auto; }}
caption {{ text-align: left; font-weight: 600; padding: .3rem 0; }}
"""
_STYLE = PageStyle(
    _COLOURS,
    width=76,
    margin=1.5,
    body="color: #111; background: #fff;",
    notice_padding=".4rem",
    rules=_RULES,
)


def timeline_page(
    timeline: Timeline, assessment: Assessment | None, svg: str, *, problem: str = ""
) -> str:
    """Return a timeline as a page: advice, picture, changes, events, notes.

    Parameters
    ----------
    timeline : Timeline
        What to show.
    assessment : Assessment or None
        What changed; None if it could not be judged.
    svg : str
        The picture (`pneumoscore.monitor.pictures.timeline`).
    problem : str, optional
        Why changes were not judged.
    """
    parts = [page_head(f"Timeline of {timeline.patient}", _STYLE)]
    if assessment is None:
        parts.append(f'<p class="warn">Changes were not judged: {escape(problem)}</p>')
    else:
        advice = assessment.advice
        parts.append(
            f'<p class="advice"><strong>{ADVICE_MARKS[advice.word]} {escape(advice.word)}</strong> '
            f"({escape(advice.reason)}). Rules: {escape(advice.rules)}.</p>"
        )
    parts.append(f'<div class="chart">{svg[svg.index("<svg") :]}</div>')
    for part in () if assessment is None else assessment.scales:
        parts.append(_changes(timeline, part))
    parts.append(_events(timeline))
    parts.append(_notes(timeline))
    parts.append("</body>\n</html>\n")
    return "\n".join(parts)


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are already HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join(
        "<tr>" + "".join(f'<td class="number">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>\n{body}\n</tbody></table>"
    )


def _changes(timeline: Timeline, part: ScaleAssessment) -> str:
    scale = scale_named(part.scale)
    rows = []
    for number, film in enumerate(part.films):
        item = film.values[part.scale]
        interval = "" if item.low is None else f"{item.low:.1f} to {item.high:.1f}"
        cells = [
            escape(when(film.taken_at, timeline.calendar)),
            escape(film.view or "?"),
            f"{item.value:.1f}",
            interval,
        ]
        if number:
            pair = part.pairs[number - 1]
            cells += [
                f"{pair.difference:+.1f} (standard error {pair.standard_error:.1f})",
                f"{pair.smallest_detectable:.1f}",
                pair.verdict,
                f'<span class="warn">{escape("; ".join(pair.warnings))}</span>',
            ]
        else:
            cells += ["", "", "", ""]
        rows.append(cells)
    header = ("film", "view", "score", "interval", "change from the film before",
              "smallest detectable", "verdict", "comparability")  # fmt: skip
    trend = ""
    if part.trend is not None and part.trend.slope is not None:
        trend = (
            f"<p>Trend at the last film: {part.trend.slope:+.2f} points a day "
            f"({part.trend.slope_low:+.2f} to {part.trend.slope_high:+.2f}), "
            f"level {part.trend.level:.1f}.</p>"
        )
    firsts = []
    for word, step in (
        ("worsening", part.first_worsening),
        ("improvement", part.first_improvement),
    ):
        if step is not None:
            firsts.append(
                f"first detectable {word} since {event_label(part.reference)}: "
                f"{escape(when(step.seen_at, timeline.calendar))}"
            )
    since = f"<p>{'; '.join(firsts)}.</p>" if firsts else ""
    title = f"{scale.title} ({scale.low:g}-{scale.high:g})"
    return _table(title, header, rows) + trend + since


def _events(timeline: Timeline) -> str:
    if not timeline.events:
        return ""
    rows = [
        (
            escape(when(event.at, timeline.calendar)),
            escape(event_label(event.kind)),
            escape(event.detail),
        )
        for event in timeline.events
    ]
    return _table("Events", ("when", "what", "detail"), rows)


def _notes(timeline: Timeline) -> str:
    if not timeline.notes:
        return ""
    rows = [
        (escape(f"{note.at:%Y-%m-%d %H:%M} UTC"), escape(note.author), escape(note.text))
        for note in timeline.notes
    ]
    return _table("Notes", ("written", "by", "text"), rows)


def sparkline_svg(
    days: Sequence[float], values: Sequence[float], scale: Scale, *, width: int = 160
) -> str:
    """Return a small chart of one series over the whole range of its scale."""
    height = 28
    span = max(days) - min(days) if days else 0.0
    points = [
        (
            4 + (width - 8) * ((day - days[0]) / span if span else 0.5),
            height - 3 - (height - 6) * (value - scale.low) / (scale.high - scale.low),
        )
        for day, value in zip(days, values, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6"/>' for x, y in points[-1:])
    label = f"{scale.title}: {len(points)} films, last {values[-1]:.1f}" if points else "no films"
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{escape(label)}">'
        f'<rect width="{width}" height="{height}" fill="#f4f4f4"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f5f8b" stroke-width="1.4"/>'
        f'<g fill="#1f5f8b">{dots}</g></svg>'
    )


def ward_page(ward: Ward) -> str:
    """Return the ward as a page: one line for each patient, the largest rise first."""
    scale = scale_named(ward.scale)
    rows = []
    for row in ward.rows:
        change = "" if row.difference is None else f"{row.difference:+.1f}"
        size = "" if row.size is None else f"{abs(row.size):.1f}"
        rows.append(
            (
                escape(row.patient),
                sparkline_svg(row.days, row.values, scale),
                f"{row.values[-1]:.1f}",
                escape(when(row.last_at, row.calendar)),
                change,
                size,
                f"{ADVICE_MARKS[row.advice.word]} {escape(row.advice.word)}"
                if row.advice is not None
                else "not judged",
                f'<span class="warn">{escape("; ".join(row.warnings))}</span>',
            )
        )
    title = f"{scale.title} ({scale.low:g}-{scale.high:g}), {ward.model}"
    header = ("patient", "course", "last score", "last film", "recent change",
              "in smallest detectable changes", "advice", "comparability")  # fmt: skip
    table = _table(title, header, rows)
    return f"{page_head('Ward', _STYLE)}\n{table}\n<p>{escape(ward.remark)}</p>\n</body>\n</html>\n"
