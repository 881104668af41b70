"""``pneumoscore patient timeline``, ``changes``, ``ward``, ``audit``: looking at patients."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import write_target
from pneumoscore.cli.patient_options import (
    ErrorModelFile,
    ModelNumber,
    PatientId,
    RecordsPlace,
    RulesFile,
    open_records,
)
from pneumoscore.cli.status import say
from pneumoscore.cli.table import output_width
from pneumoscore.present.text import printable
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from pneumoscore.monitor.change.verdict import PatientVerdict, ScaleVerdict
    from pneumoscore.records.types import Timeline

__all__ = ["register"]

_KINDS = {".png": "png", ".svg": "svg", ".html": "html", ".htm": "html"}


def _judged(
    place: str | None,
    patient: str,
    model: int | None,
    rules: Path | None,
    error_model: Path | None,
    pictures: bool = False,
) -> tuple[Timeline, PatientVerdict | None, str]:
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.monitor.judged import judged_timeline

    chosen = read_rules(rules)
    with open_records(place) as records:
        found = judged_timeline(
            records, patient, chosen, model_id=model, error_model=error_model, pictures=pictures
        )
    return found.timeline, found.verdict, found.problem


def timeline(
    patient: PatientId,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="PNG, SVG or HTML, by its ending.")
    ] = Path("timeline.html"),
    per_lung: Annotated[
        bool, typer.Option("--per-lung", help="Draw right and left lung too.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="TEXT", help="What to call the patient in the picture."),
    ] = None,
    model_number: ModelNumber = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    records: RecordsPlace = None,
) -> None:
    """Draw a patient's timeline: scores with intervals, events, changes, films with maps."""
    from dataclasses import replace

    from pneumoscore.files import write
    from pneumoscore.monitor.pictures.page import timeline_page
    from pneumoscore.monitor.pictures.timeline import timeline_figure
    from pneumoscore.present.plot_style import page_svg, plot_file

    kind = _KINDS.get(out.suffix.lower())
    if kind is None:
        raise typer.BadParameter(f"{out.name} is neither .png, .svg nor .html")
    write_target(out)
    found, verdict, problem = _judged(
        records, patient, model_number, rules, error_model, pictures=True
    )
    if name is not None:
        found = replace(found, patient=name)
    figure = timeline_figure(found, verdict, per_lung=per_lung, heading=kind != "html")
    if kind == "html":
        chart = page_svg(figure, f"Timeline of {found.patient}")
        page = timeline_page(found, verdict, chart, problem=problem)
        write(out, page.encode("utf-8"))
    else:
        write(out, plot_file(figure, kind))
    if problem:
        say(f"changes were not judged: {problem}")
    _say_not_comparable(found)
    typer.echo(printable(f"{out}: {len(found.films)} films, {len(found.events)} events"))


def changes(
    patient: PatientId,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    model_number: ModelNumber = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    records: RecordsPlace = None,
) -> None:
    """Print what changed: from film to film, steps, trend, and the advice with its reason."""
    from pneumoscore.errors import PneumoScoreError

    found, verdict, problem = _judged(records, patient, model_number, rules, error_model)
    if verdict is None:
        raise PneumoScoreError(problem)
    if problem:
        say(f"changes were not judged: {problem}")
    _say_not_comparable(found)
    if json:
        from pneumoscore.monitor.forms import judged_form
        from pneumoscore.monitor.judged import Judged

        typer.echo(json_module.dumps(judged_form(Judged(found, verdict))))
        return
    advice = verdict.advice
    typer.echo(printable(f"{found.patient}: {advice.word} ({advice.reason})"))
    for part in verdict.scales:
        _print_scale(found, part)
    typer.echo(f"rules: {advice.rules}. {RESEARCH_NOTICE}.")


def _say_not_comparable(found: Timeline) -> None:
    """Name the films that only other models have scored."""
    others = found.not_comparable
    if others:
        names = {item.id: item.identity for item in found.other_models}
        models = sorted({number for film in others for number in film.other_models})
        said = ", ".join(
            f"{names[number].name} {names[number].version}" for number in models if number in names
        )
        say(
            f"{len(others)} films were scored only by {said}: not comparable, not in these "
            "changes; `pneumoscore patient rescore` scores them by this model"
        )


def _print_scale(found: Timeline, part: ScaleVerdict) -> None:
    from pneumoscore.monitor.pictures.labels import event_label, when
    from pneumoscore.severity.scale import scale_named

    scale = scale_named(part.scale)
    typer.echo(
        printable(
            f"\n{scale.title} ({scale.low:g}-{scale.high:g}): {part.advice.word} "
            f"({part.advice.reason})"
        ).replace("\\n", "\n", 1)
    )
    for number, film in enumerate(part.films):
        value = film.values[part.scale].value
        line = f"  {when(film.taken_at, found.calendar):18} {film.view or '?':10} {value:4.1f}"
        if number:
            pair = part.pairs[number - 1]
            line += (
                f"  {pair.difference:+5.1f} (smallest detectable {pair.smallest_detectable:.1f})"
                f" {pair.verdict}"
            )
            if pair.warnings:
                line += f"; {'; '.join(pair.warnings)}"
        typer.echo(printable(f"{line}  [study {film.study_uid}]"))
    for item in part.calls:
        typer.echo(
            f"  called {when(item.seen_at, found.calendar)}: {item.call.words}"
            f"{'; ' if item.warnings else ''}{'; '.join(item.warnings)}"
        )
    for other in part.comparisons:
        typer.echo(
            f"  against {event_label(other.against)} ({when(other.at, found.calendar)}, "
            f"level {other.level:.1f}): {other.difference:+.1f} points, standard error "
            f"{other.standard_error:.1f}, {other.verdict}"
        )
    if part.trend is not None and part.trend.slope is not None:
        typer.echo(
            f"  trend {part.trend.slope:+.2f} points a day "
            f"({part.trend.slope_low:+.2f} to {part.trend.slope_high:+.2f})"
        )
    for word, first in (
        ("worsening", part.first_worsening),
        ("improvement", part.first_improvement),
    ):
        if first is not None:
            typer.echo(
                f"  first {word} since {event_label(part.reference)}: "
                f"{when(first.seen_at, found.calendar)} ({first.call.difference:+.1f})"
            )


def ward(
    scale: Annotated[
        str,
        typer.Option(
            "--scale", metavar="NAME", help="Score to show: geographic_extent or opacity."
        ),
    ] = "geographic_extent",
    days: Annotated[
        float | None,
        typer.Option("--days", min=0.0, help="Only patients with a film in the last so many days."),
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--all", help="The discharged and the dead too.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most patients.")] = 50,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each patient.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="HTML", help="Also write a page.")
    ] = None,
    model_number: ModelNumber = None,
    rules: RulesFile = None,
    error_model: ErrorModelFile = None,
    records: RecordsPlace = None,
) -> None:
    """List patients, the most pressing verdict first, then the largest change.

    The verdict is that of `patient changes`: of both scores, the more pressing.
    """
    from pneumoscore.files import write
    from pneumoscore.monitor.change.rules import read_rules
    from pneumoscore.monitor.forms import ward_row_form
    from pneumoscore.monitor.judged import errors_of
    from pneumoscore.monitor.pictures.labels import sparkline
    from pneumoscore.monitor.pictures.page import ward_page, ward_table
    from pneumoscore.monitor.ward import WardChoice, ward_overview
    from pneumoscore.records.reading import read_models
    from pneumoscore.severity.scale import scale_named

    if out is not None:
        write_target(out)
    scale_named(scale)
    with open_records(records) as place:
        models = [item for item in read_models(place) if model_number in (None, item.id)]
        errors, problem = errors_of(models[-1] if models else None, error_model)
        found = ward_overview(
            place,
            scale,
            read_rules(rules),
            errors,
            WardChoice(model_number, days, everyone, limit),
        )
    if problem:
        say(problem)
    if json:
        for row in found.rows:
            typer.echo(json_module.dumps(ward_row_form(row, found)))
    elif found.rows:
        table = ward_table(found, lambda row, scale: sparkline(row.values, scale))
        typer.echo("\n".join([*table.lines(output_width()), "", table.note]))
    remark = f"{found.scale} by {found.model}: {found.remark} {RESEARCH_NOTICE}."
    if json:
        say(remark)
    else:
        typer.echo(remark)
    if out is not None:
        write(out, ward_page(found).encode("utf-8"))
        say(f"page: {out}")


def models(records: RecordsPlace = None) -> None:
    """List the models whose scores are recorded."""
    from pneumoscore.records.reading import read_models

    with open_records(records) as place:
        for item in read_models(place):
            identity = item.identity
            typer.echo(
                printable(
                    f"{item.id} {identity.name} {identity.version} "
                    f"(backbone {identity.backbone}, {identity.sha256[:12]})"
                )
            )


def audit(
    patient: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only entries of this patient.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 100,
    records: RecordsPlace = None,
) -> None:
    """Print who wrote what and when."""
    from pneumoscore.records.reading import read_audit

    with open_records(records) as place:
        for entry in read_audit(place, patient, limit=limit):
            details = json_module.dumps(entry.details, ensure_ascii=False)
            typer.echo(
                printable(
                    f"{entry.at:%Y-%m-%d %H:%M:%S} UTC {entry.actor} {entry.action} "
                    f"{entry.patient or ''} {details}"
                )
            )


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (timeline, changes, ward, models, audit):
        app.command()(command)
