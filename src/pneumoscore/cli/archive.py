"""``pneumoscore archive``: any number of films, gone on with after any interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.memory import share_arenas
from pneumoscore.cli.options import (
    Force,
    LevelOrSetting,
    ModelName,
    NoIdentifiers,
    NoVoi,
    Overwrite,
    Threads,
    Workers,
    new_app,
    settings_with,
    write_target,
)
from pneumoscore.cli.progress import Counted, LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.errors import PneumoScoreError
from pneumoscore.settings import require_extra

if TYPE_CHECKING:
    from pneumoscore.pipeline.archive.run import Part
    from pneumoscore.pipeline.engines import Engine
    from pneumoscore.pipeline.result import FileResult
    from pneumoscore.pipeline.run import RunReport
    from pneumoscore.pipeline.sinks.records import RecordsSink

__all__ = ["app"]

app = new_app(
    "Score archives of any size: interrupted runs go on, and no film is scored twice.\n\n"
    "RESEARCH USE ONLY, NOT FOR MEDICAL USE."
)


class _Format(StrEnum):
    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


class _Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class _Engine(StrEnum):
    PROCESSES = "processes"
    THREADS = "threads"
    RAY = "ray"


_BATCH = {_Device.CPU: 1, _Device.CUDA: 32}
"""Films that go through the network together."""
_Folder = Annotated[str, typer.Argument(metavar="DIR", help="Folder or URL of an archive run.")]
_EPILOG = """\b
Examples:
  pneumoscore archive run /pacs/export --out results --filter modality=DX,CR
  pneumoscore archive run films.zip --out results --format csv
  pneumoscore archive run /pacs --out results --part 3/8
"""


@app.command(epilog=_EPILOG)
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Films, folders, ZIP and TAR files, DICOMDIRs, or - for a list of them.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="DIR", help="Folder (or fsspec URL) for the results."),
    ],
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME=VALUES",
            help="Only films whose header says so: modality=DX,CR, view=PA,AP, body_part=CHEST, "
            "date=2020-03-01..2020-12-31. May be given several times.",
        ),
    ] = None,
    form: Annotated[
        _Format, typer.Option("--format", help="Of the parts; parquet needs the extra archive.")
    ] = _Format.PARQUET,
    rows: Annotated[
        int,
        typer.Option("--rows", min=1, max=100_000, help="Rows of a part: most that a kill costs."),
    ] = 256,
    part: Annotated[
        str,
        typer.Option("--part", metavar="I/N", help="Do share I of N, as an array job does."),
    ] = "1/1",
    engine: Annotated[
        _Engine, typer.Option("--engine", help="Where films are read and scored.")
    ] = _Engine.PROCESSES,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="ADDRESS", help="Of a Ray cluster. Default: RAY_ADDRESS."
        ),
    ] = None,
    device: Annotated[
        _Device,
        typer.Option(
            "--device",
            help="Where the network is computed: cuda needs an NVIDIA GPU and onnxruntime-gpu.",
        ),
    ] = _Device.CPU,
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            metavar="FILE|URL",
            help="Also record the films under their patients, as 'patient import' does.",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try films again that had no score before.")
    ] = False,
    model: ModelName = None,
    level: LevelOrSetting = None,
    force: Force = False,
    workers: Workers = None,
    threads: Threads = None,
    no_voi: NoVoi = False,
    no_identifiers: NoIdentifiers = False,
) -> None:
    """Score an archive into parts, or go on where an interrupted run ended.

    A film whose bytes were scored by this model before is not scored again. Failures are
    listed in failures.csv, versions, counts and times in run_report.json, both in DIR.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    share_arenas()
    from pneumoscore.backbone.runtime import Device
    from pneumoscore.backbone.session import physical_cores
    from pneumoscore.cli.terminal import conclude, tell, tell_recorded, tell_skipped
    from pneumoscore.pipeline.archive.run import ArchiveOptions, Part, run_archive
    from pneumoscore.pipeline.header_filter import HeaderFilter
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.severity.model import SeverityModel

    settings = settings_with(
        model=model,
        level=level,
        workers=workers,
        threads=threads,
        identifiers=False if no_identifiers else None,
    )
    if device is _Device.CUDA and engine is _Engine.RAY:
        raise typer.BadParameter("--device cuda is for one machine; leave it out with --engine ray")
    with _usage("--filter"):
        wanted = HeaderFilter.of(filters or [])
    with _usage("--part"):
        share = Part.of(part)
    scoring = ScoringOptions(
        batch=_BATCH[device],
        level=settings.level,
        force=force,
        read=ReadOptions(voi=not no_voi),
        wanted=wanted,
    )
    options = ArchiveOptions(form.value, rows, share, settings.identifiers, retry)
    # Batches side by side, a thread each, keep cores busier than threads that share a batch.
    lanes = (settings.threads or physical_cores()) if device is _Device.CPU else 1
    opened = SeverityModel.open(settings.model, threads=1, device=Device(device.value))
    with (
        LateProgress("films") as bar,
        _records(records, bar) as place,
        _counted(sources, share, bar) as count,
    ):
        over = 0

        def watch(result: FileResult, so_far: RunReport) -> None:
            nonlocal over
            over += result.passed_over is not None
            tell(result, so_far, bar, count.total, over)

        done = run_archive(
            sources,
            out,
            opened,
            replace(scoring, view=place is not None),
            options,
            records=place,
            engine=_engine(engine, settings.model, address, settings.workers or 0, lanes),
            watch=watch,
        )
    if done.files == 0 and share.count > 1 and _any_film(sources):
        typer.echo(f"no films in share {share.number} of {share.count}")
    elif done.files == 0:
        tell_skipped(done)
        say_error(f"no films in {', '.join(sources)}; expected DICOM or image files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)
    else:
        before = f"{done.known} were done before"
        if done.known_failed:
            before += f" ({done.known_failed} without a score)"
        typer.echo(f"{done.scored} films scored, {before}, {done.failed} failed")
    conclude(done)
    if done.known_failed:
        say(
            f"{done.known_failed} of those done before have no score: failures{share.suffix}.csv "
            "says why; --retry tries them again"
        )
    if place is not None:
        tell_recorded(place.report)
    unrecorded = place is not None and (place.refused or place.report.conflicts)
    if done.failed or done.known_failed or unrecorded:
        raise typer.Exit(ExitStatus.SOME_FAILED)


@contextmanager
def _usage(option: str) -> Iterator[None]:
    """Say that the command line is wrong where an option cannot be read."""
    try:
        yield
    except PneumoScoreError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _any_film(sources: list[str]) -> bool:
    """Whether the sources hold a film of any share; of a list, which is read once, believed."""
    from pneumoscore.pipeline.walk import expand

    return "-" in sources or next(iter(expand(sources, containers=True)), None) is not None


def _counted(sources: list[str], share: Part, bar: LateProgress) -> Counted:
    """Look for the films of a share if someone watches the bar; a list is read only once."""
    from pneumoscore.pipeline.walk import expand

    if not bar.watched or "-" in sources:
        return Counted(None)
    return Counted(share.own(expand(sources, containers=True)))


@contextmanager
def _records(place: str | None, bar: LateProgress) -> Iterator[RecordsSink | None]:
    """Open the records that were asked for; a film that they refuse is named."""
    if place is None:
        yield None
        return
    require_extra("monitor", "sqlalchemy", "alembic")
    from pneumoscore.pipeline.intake import dicom_record
    from pneumoscore.pipeline.sinks.records import RecordsSink
    from pneumoscore.records.database import Records

    with Records.open(place) as records:
        yield RecordsSink(
            records,
            dicom_record,
            source="pneumoscore archive run",
            refuse=lambda result, why: bar.say(f"error: {result.file}: not recorded: {why}"),
        )


def _engine(
    name: _Engine, model: str | None, address: str | None, workers: int, lanes: int
) -> Engine:
    if name is _Engine.RAY:
        from pneumoscore.pipeline.engines.ray import RayEngine

        return RayEngine(model, address, workers)
    if name is _Engine.THREADS:
        from pneumoscore.pipeline.engines.threads import Threads as ThreadEngine

        return ThreadEngine(workers, lanes)
    from pneumoscore.pipeline.engines.processes import Processes

    return Processes(workers, lanes)


@app.command(epilog="Example: pneumoscore archive status results")
def status(folder: _Folder) -> None:
    """Say what an archive's parts hold."""
    from pneumoscore.pipeline.archive.run import archive_state

    state = archive_state(folder)
    typer.echo(f"parts     {state.parts}")
    typer.echo(f"scored    {state.scored}")
    typer.echo(f"failed    {state.failed}")
    for reason, count in sorted(state.reasons.items()):
        typer.echo(f"  {reason:12}{count}")
    typer.echo(f"models    {', '.join(state.models)}")


@app.command(epilog="Example: pneumoscore archive merge results -o scores.csv")
def merge(
    folder: _Folder,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="CSV table to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Write the newest row of each file as one CSV table, with the columns of 'score --csv'."""
    from pneumoscore.pipeline.archive.run import merge_to
    from pneumoscore.pipeline.outputs import Outputs

    done = merge_to(folder, Outputs(overwrite=overwrite), write_target(out))
    typer.echo(f"{done.rows} rows")
    if len(done.kinds) > 1:
        say("the parts hold rows of several models or options; each file's newest row is merged:")
        for kind, count in sorted(done.kinds.items()):
            say(f"  {count} of {kind}")
