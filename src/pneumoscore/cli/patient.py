"""``pneumoscore patient``: scores over days, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli import patient_corrections, patient_study, patient_views
from pneumoscore.cli.options import (
    Force,
    Level,
    ModelName,
    NoVoi,
    Threads,
    new_app,
)
from pneumoscore.cli.patient_options import Actor, PatientId, RecordsPlace, open_records
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.cli.study_options import CohortName, Images, MappingFile, NamedData
from pneumoscore.errors import PneumoScoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pneumoscore.cohort.types import Cohort
    from pneumoscore.pipeline.job import FileResult
    from pneumoscore.records.database import Records
    from pneumoscore.records.types import FilmRecord, ImportReport
    from pneumoscore.severity.model import SeverityModel

__all__ = ["app"]

app = new_app(
    "Follow patients: scores over days, what changed, and how sure that is.\n\n"
    "RESEARCH USE ONLY, NOT FOR MEDICAL USE.",
    "monitor",
    "alembic",
    "matplotlib",
    "sqlalchemy",
)
_NoThumbnails = Annotated[
    bool, typer.Option("--no-thumbnails", help="Keep no small pictures of the films.")
]


@app.command("import", epilog="Example: pneumoscore patient import /archive/icu")
def import_folder(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="DICOM files, folders, which are searched to the bottom, or - for a list.",
        ),
    ],
    records: RecordsPlace = None,
    model: ModelName = None,
    level: Level = 0.9,
    force: Force = False,
    threads: Threads = None,
    no_voi: NoVoi = False,
    no_thumbnails: _NoThumbnails = False,
    actor: Actor = None,
) -> None:
    """Score DICOM films and record them under their patients.

    Films come in any order and any number of times; what is recorded already is not written
    again. An import that was broken off is started again as it was.
    """
    from pneumoscore.pipeline.job import score_files
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.walk import expand
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.severity.model import SeverityModel

    opened = SeverityModel.open(model, threads=threads)
    options = ScoringOptions(
        level=level, force=force, read=ReadOptions(voi=not no_voi), view=not no_thumbnails
    )
    with open_records(records, create=True) as place, LateProgress("films") as bar:
        failed = [0]
        results = score_files(expand(paths), opened, options)
        report = _import(place, _of_files(results, bar, failed), actor)
    _tell(report, failed[0])


def _of_files(
    results: Iterator[FileResult], bar: LateProgress, failed: list[int]
) -> Iterator[FilmRecord]:
    from pneumoscore.pipeline.intake import dicom_record

    for done, result in enumerate(results, start=1):
        problem = result.error
        if result.score is not None:
            try:
                yield dicom_record(result)
            except PneumoScoreError as error:
                problem = str(error)
        if problem is not None:
            failed[0] += 1
            bar.say(f"error: {result.file}: {problem}")
        bar.update(done, None)


@app.command(
    "import-cohort",
    epilog="Example: pneumoscore patient import-cohort --cohort hannover --data DATA",
)
def import_cohort(
    cohort: CohortName,
    records: RecordsPlace = None,
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    model: ModelName = None,
    level: Level = 0.9,
    threads: Threads = None,
    no_thumbnails: _NoThumbnails = False,
    actor: Actor = None,
) -> None:
    """Score a cohort's films and record them by day; the Hannover stays with their events."""
    from pneumoscore.monitor.hannover import hannover_events
    from pneumoscore.records.course import add_events
    from pneumoscore.records.reading import patient_keys
    from pneumoscore.severity.model import SeverityModel
    from pneumoscore.study.cohorts import open_cohort

    films = open_cohort(str(cohort), data, images, mapping)
    opened = SeverityModel.open(model, threads=threads)
    with open_records(records, create=True) as place, LateProgress("films") as bar:
        failed = [0]
        new = _of_cohort(films, opened, level, bar, failed, not no_thumbnails)
        report = _import(place, new, actor)
        if cohort == "hannover" and data is not None:
            known = patient_keys(place)
            events = [event for event in hannover_events(data) if event.patient in known]
            say(f"{add_events(place, events, actor=actor)} events recorded")
    _tell(report, failed[0])


def _of_cohort(
    cohort: Cohort,
    model: SeverityModel,
    level: float,
    bar: LateProgress,
    failed: list[int],
    thumbnails: bool,
) -> Iterator[FilmRecord]:
    from pneumoscore.pipeline.intake import cohort_record
    from pneumoscore.pipeline.job import score_files
    from pneumoscore.pipeline.options import ScoringOptions

    options = ScoringOptions(level=level, view=thumbnails)
    results = score_files((film.path for film in cohort), model, options)
    for done, (film, result) in enumerate(zip(cohort, results, strict=True), start=1):
        problem = result.error
        if result.score is not None:
            try:
                yield cohort_record(cohort.name, film, result.score, view=result.view)
            except PneumoScoreError as error:
                problem = str(error)
        if problem is not None:
            failed[0] += 1
            bar.say(f"error: {film.name}: {problem}")
        bar.update(done, len(cohort))


def _import(records: Records, new: Iterator[FilmRecord], actor: str | None) -> ImportReport:
    from pneumoscore.records.writing import import_films

    return import_films(
        records,
        new,
        source="pneumoscore patient import",
        actor=actor,
        batch=64,
        acknowledge=lambda report: say(f"recorded: {report.films} films, {report.scores} scores"),
    )


def _tell(report: ImportReport, failed: int) -> None:
    typer.echo(
        f"{report.films} new films of {report.patients} new patients, {report.scores} new scores; "
        f"{report.known} scores were recorded already, {report.redated} films re-dated"
    )
    for conflict in report.conflicts:
        say_error(conflict)
    if failed or report.conflicts:
        raise typer.Exit(ExitStatus.SOME_FAILED)
    if not report.films and not report.known:
        say_error("no films found; expected DICOM files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)


@app.command(
    epilog="\b\nExamples:\n"
    "  pneumoscore patient event 4711 icu_admission '2026-03-01 14:30'\n"
    "  pneumoscore patient event hannover-0f2b9fbd proning 'day 3'"
)
def event(
    patient: PatientId,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="admission, oxygen, icu_admission, intubation, proning, treatment_start, "
            "extubation, icu_discharge, discharge or death.",
        ),
    ],
    at: Annotated[
        str, typer.Argument(metavar="TIME", help="'2026-03-01 14:30', 2026-03-01, or 'day 3'.")
    ],
    detail: Annotated[str, typer.Option("--detail", metavar="TEXT", help="Free text.")] = "",
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Record what happened to a patient."""
    from pneumoscore.records.course import add_events
    from pneumoscore.records.reading import read_timeline
    from pneumoscore.records.types import EventRecord

    when, calendar = patient_views.time_argument(at)
    with open_records(records) as place:
        if read_timeline(place, patient).calendar != calendar:
            raise typer.BadParameter(
                "this patient's films are known by "
                + ("day: give 'day 3'" if calendar else "date: give 2026-03-01")
            )
        new = add_events(place, [EventRecord(patient, kind, when, detail)], actor=actor)
    typer.echo("recorded" if new else "was recorded already")


@app.command()
def note(
    patient: PatientId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
    film: Annotated[
        str | None, typer.Option("--film", metavar="UID", help="The film it is on.")
    ] = None,
    records: RecordsPlace = None,
    actor: Actor = None,
) -> None:
    """Write a note on a patient or a film; notes cannot be changed."""
    from pneumoscore.records.course import add_note

    with open_records(records) as place:
        add_note(place, patient, text, film_uid=film, actor=actor)
    typer.echo("recorded")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.")],
    records: RecordsPlace = None,
) -> None:
    """Write all records to one file, checked before it gets its name."""
    from pneumoscore.records.backup import backup as run

    with open_records(records) as place:
        counts = run(place, file)
    typer.echo(f"{file}: {counts['films']} films, {counts['scores']} scores, whole")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    records: RecordsPlace = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Put it in the place of records; they are kept beside."),
    ] = False,
    actor: Actor = None,
) -> None:
    """Put a backup in the place of the records, after checking it."""
    from pneumoscore.records.backup import restore as run

    counts = run(file, records, replace=replace, actor=actor)
    typer.echo(f"restored: {counts['films']} films, {counts['scores']} scores")


@app.command()
def check(records: RecordsPlace = None) -> None:
    """Check that the records are whole, and count them."""
    from pneumoscore.records.backup import check_records

    with open_records(records) as place:
        for name, count in check_records(place).items():
            typer.echo(f"{name:11} {count}")


patient_corrections.register(app)
patient_views.register(app)
patient_study.register(app)
