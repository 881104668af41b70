"""``pneumoscore patient import``, ``import-cohort``, ``rescore``: films into the records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import (
    Force,
    LevelOrSetting,
    ModelName,
    NoVoi,
    Threads,
    settings_with,
)
from pneumoscore.cli.patient_options import Actor, RecordsPlace, open_records
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.cli.study_options import CohortName, Images, MappingFile, NamedData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pneumoscore.pipeline.result import FileResult
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.records.database import Records
    from pneumoscore.records.types import FilmRecord, ImportReport

__all__ = ["register"]

_NoThumbnails = Annotated[
    bool, typer.Option("--no-thumbnails", help="Keep no small pictures of the films.")
]


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
    level: LevelOrSetting = None,
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
    from pneumoscore.pipeline.walk import expand

    chosen = _Scoring(model, threads, level, force, not no_voi, not no_thumbnails)
    _import_films(expand(paths), chosen, records, actor)


def rescore(
    patient: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only this patient's films.")
    ] = None,
    records: RecordsPlace = None,
    model: ModelName = None,
    level: LevelOrSetting = None,
    force: Force = False,
    threads: Threads = None,
    no_voi: NoVoi = False,
    no_thumbnails: _NoThumbnails = False,
    actor: Actor = None,
) -> None:
    """Score recorded films by another model, from where they were read.

    After a change of model, films that only the older one scored cannot be compared with new
    ones. Films known by day come in again by 'import-cohort'.
    """
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.records.reading import files_to_rescore
    from pneumoscore.severity.model import SeverityModel

    settings = settings_with(model=model, threads=threads)
    identity = SeverityModel.open(settings.model, threads=settings.threads).identity
    with open_records(records) as place:
        paths = files_to_rescore(place, identity.sha256, patient)
    if not paths:
        typer.echo(f"all films are scored by {identity.name} {identity.version}")
        return
    chosen = _Scoring(model, threads, level, force, not no_voi, not no_thumbnails)
    _import_films((Found(Path(path)) for path in paths), chosen, records, actor)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """How films are scored for the records."""

    model: str | None
    threads: int | None
    level: float | None
    force: bool
    voi: bool
    thumbnails: bool


def _import_films(
    files: Iterable[Found], chosen: _Scoring, records: str | None, actor: str | None
) -> None:
    from pneumoscore.pipeline.intake import dicom_record

    with open_records(records, create=True) as place:
        _score_into(place, files, chosen, dicom_record, actor)


def _score_into(
    place: Records,
    files: Iterable[Found],
    chosen: _Scoring,
    intake: Callable[[FileResult], FilmRecord],
    actor: str | None,
) -> None:
    """Score films into the records, and tell what became of them."""
    from pneumoscore.pipeline.job import run_job
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.sinks.records import RecordsSink, known_content
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.severity.model import SeverityModel

    settings = settings_with(model=chosen.model, threads=chosen.threads, level=chosen.level)
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    options = ScoringOptions(
        level=settings.level,
        force=chosen.force,
        read=ReadOptions(voi=chosen.voi),
        view=chosen.thumbnails,
        content=True,
        pixels=True,
    )
    with LateProgress("films") as bar:
        failed, done = [0], [0]

        def refuse(result: FileResult, problem: str) -> None:
            failed[0] += 1
            bar.say(f"error: {result.file}: {problem}")

        def watch(result: FileResult, _: object) -> None:
            done[0] += 1
            if result.error is not None:
                refuse(result, result.error)
            bar.update(done[0], None)

        sink = RecordsSink(
            place,
            intake,
            source="pneumoscore patient import",
            actor=actor,
            acknowledge=lambda report: say(
                f"recorded: {report.films} films, {report.scores} scores"
            ),
            refuse=refuse,
        )
        known = known_content(place, opened.identity.sha256)
        run_job(
            files,
            opened,
            options,
            [sink],
            workers=settings.workers,
            known=known,
            watch=watch,
        )
    _tell(sink.report, failed[0], sink.known)


def import_cohort(
    cohort: CohortName,
    records: RecordsPlace = None,
    data: NamedData = None,
    images: Images = None,
    mapping: MappingFile = None,
    model: ModelName = None,
    level: LevelOrSetting = None,
    threads: Threads = None,
    no_thumbnails: _NoThumbnails = False,
    actor: Actor = None,
) -> None:
    """Score a cohort's films and record them by day; the Hannover stays with their events."""
    from pneumoscore.monitor.hannover import hannover_events
    from pneumoscore.pipeline.intake import cohort_record
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.records.events import add_events
    from pneumoscore.records.reading import patient_keys
    from pneumoscore.study.cohorts import COHORTS, open_cohort

    films = open_cohort(str(cohort), data, images, mapping)
    # Two tables of one name are two cohorts, and number their patients each for itself.
    issuer = "" if str(cohort) in COHORTS else _table_issuer(Path(str(cohort)))
    by_path = {film.path: film for film in films}
    chosen = _Scoring(model, threads, level, False, True, not no_thumbnails)

    def intake(result: FileResult) -> FilmRecord:
        return cohort_record(films.name, by_path[result.path], result, issuer=issuer)

    with open_records(records, create=True) as place:
        try:
            _score_into(place, (Found(path) for path in by_path), chosen, intake, actor)
        finally:
            if cohort == "hannover" and data is not None:
                known = patient_keys(place)
                events = [event for event in hannover_events(data) if event.patient in known]
                say(f"{add_events(place, events, actor=actor)} events recorded")


def _table_issuer(table: Path) -> str:
    import hashlib

    place = str(table.resolve())
    return f"table-{hashlib.sha256(place.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _tell(report: ImportReport, failed: int, skipped: int = 0) -> None:
    from pneumoscore.cli.terminal import tell_recorded

    known = f"{report.known} scores were recorded already, {report.redated} films re-dated"
    if skipped:
        known = f"{skipped} files were recorded already; {known}"
    if report.twins:
        known += f"; {report.twins} are further files of one exposure and count with it"
    typer.echo(
        f"{report.films} new films of {report.patients} new patients, {report.scores} new scores; "
        f"{known}"
    )
    tell_recorded(report)
    if failed or report.conflicts:
        raise typer.Exit(ExitStatus.SOME_FAILED)
    if not (report.films or report.scores or report.known or skipped):
        say_error("no films found; expected DICOM files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("import", epilog="Example: pneumoscore patient import /archive/icu")(import_folder)
    app.command(
        "import-cohort",
        epilog="Example: pneumoscore patient import-cohort --cohort hannover --data DATA",
    )(import_cohort)
    app.command()(rescore)
