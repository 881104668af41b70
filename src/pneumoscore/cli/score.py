"""``pneumoscore score``: files and folders to scores."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say_error
from pneumoscore.errors import FailureReason

if TYPE_CHECKING:
    from pneumoscore.pipeline.walk import Found

__all__ = ["app"]

app = new_app()
# \b keeps the lines that follow it as they are.
_EPILOG = """\b
Examples:
  pneumoscore score film.dcm
  pneumoscore score folder/ --csv scores.csv --overlay maps/
  find /archive -name '*.dcm' -print0 | pneumoscore score - --json
"""


@app.command(epilog=_EPILOG)
def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Films (DICOM, PNG, JPEG, TIFF, WebP, BMP), folders, which are searched to the "
            "bottom, or - for a list of names on the standard input.",
        ),
    ],
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one JSON object a line, as films are done, and no table."
        ),
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a CSV table.")
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            "--overlay",
            metavar="DIR",
            help="Also write a PNG of each film with its contribution map, named after the film.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write one page with all films, maps and scores."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Also write a run report: versions, options, counts, failures, times (JSON).",
        ),
    ] = None,
    model: ModelName = None,
    level: LevelOrSetting = None,
    force: Force = False,
    workers: Workers = None,
    threads: Threads = None,
    no_voi: NoVoi = False,
    no_identifiers: NoIdentifiers = False,
    overwrite: Overwrite = False,
) -> None:
    """Score films: geographic extent (0-8) and opacity (0-6), with intervals and flags.

    A film that cannot be scored never stops the others: it is named on the standard error
    stream with the reason, and the exit status is 1.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.severity.model import SeverityModel

    settings = settings_with(
        model=model,
        level=level,
        workers=workers,
        threads=threads,
        identifiers=False if no_identifiers else None,
    )
    for target in (csv, html, report):
        if target is not None:
            write_target(target)
    # The network is loaded while the rest is imported and the first film is read.
    opened = SeverityModel.open(settings.model, threads=settings.threads, wait=False)

    from pneumoscore.cli.terminal import TerminalTable, conclude, file_sinks, tell, tell_skipped
    from pneumoscore.pipeline.job import run_job
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.outputs import Outputs
    from pneumoscore.pipeline.sinks.tables import JsonLines
    from pneumoscore.pipeline.walk import expand
    from pneumoscore.radiograph.limits import ReadOptions

    given = tuple(Path(path) for path in paths if path != "-")
    outputs = Outputs(given, overwrite, settings.identifiers)
    options = ScoringOptions(
        level=settings.level,
        force=force,
        read=ReadOptions(voi=not no_voi),
        view=overlay is not None or html is not None,
    )
    sinks = [
        *file_sinks(outputs, overlay=overlay),
        JsonLines(lambda line: print(line, flush=True), outputs) if json else TerminalTable(),
        *file_sinks(outputs, csv=csv, html=html, report=report),
    ]
    skipped: Counter[str] = Counter()
    missing: list[Path] = []
    with LateProgress("scoring", terminal=False if json and sys.stdout.isatty() else None) as bar:
        # A list names films that no argument does: they are known before an output is opened.
        whole = bar.watched or "-" in paths
        found, total = _counted(outputs.noting(expand(paths, skipped=skipped)), whole)
        done = run_job(
            _noting_missing(found, missing),
            opened,
            options,
            sinks,
            workers=settings.workers,
            skipped=skipped,
            watch=lambda result, so_far: tell(result, so_far, bar, total),
        )
    if done.files == 0:
        tell_skipped(done)
        say_error(f"no films in {', '.join(paths)}; expected DICOM or image files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)
    conclude(done)
    if missing:
        raise typer.Exit(ExitStatus.USAGE)
    if done.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _counted(found: Iterator[Found], whole: bool) -> tuple[Iterable[Found], int | None]:
    """Look at the whole of the names first, or take them as they come."""
    if not whole:
        return found, None
    everything = list(found)
    return everything, len(everything)


def _noting_missing(found: Iterable[Found], missing: list[Path]) -> Iterator[Found]:
    """Note what the command line names and is not there: wrong usage, whatever the rest gives."""
    for item in found:
        if item.named and item.reason == FailureReason.MISSING:
            missing.append(item.path)
        yield item
