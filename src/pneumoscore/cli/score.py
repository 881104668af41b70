"""``pneumoscore score``: files and folders to scores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import Force, Level, ModelName, NoVoi, Threads, new_app, write_target
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus, say, say_error

if TYPE_CHECKING:
    from pneumoscore.pipeline.job import FileResult
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.severity.model import SeverityModel

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
    model: ModelName = None,
    level: Level = 0.9,
    force: Force = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            max=256,
            help="Threads that read files. Default: one for each core, at most 4.",
        ),
    ] = None,
    threads: Threads = None,
    no_voi: NoVoi = False,
) -> None:
    """Score films: geographic extent (0-8) and opacity (0-6), with intervals and flags.

    A film that cannot be scored never stops the others: it is named on the standard error
    stream with the reason, and the exit status is 1.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.pipeline.job import score_files
    from pneumoscore.pipeline.walk import expand
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.severity.model import SeverityModel

    for target in (csv, html):
        if target is not None:
            write_target(target)
    opened = SeverityModel.open(model, threads=threads)
    if overlay is not None:
        overlay.mkdir(parents=True, exist_ok=True)
    with (
        LateProgress("scoring", terminal=False if json and sys.stdout.isatty() else None) as bar,
        result_sinks(opened, json=json, csv=csv, html=html, overlay=overlay) as sinks,
    ):
        found, total = _counted(expand(paths), bar)
        results = score_files(
            found,
            opened,
            workers=workers,
            level=level,
            force=force,
            options=ReadOptions(voi=not no_voi),
            keep_radiographs=overlay is not None or html is not None,
        )
        done, failed = deliver(results, sinks, bar, total)
    if done == 0:
        say_error(f"no films in {', '.join(paths)}; expected DICOM or image files")
        raise typer.Exit(ExitStatus.NOTHING_DONE)
    if failed:
        say(f"{failed} of {done} files have no score")
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _counted(found: Iterator[Found], bar: LateProgress) -> tuple[Iterable[Found], int | None]:
    """Look at all names first if someone watches the bar; else take them as they come."""
    if not bar.watched:
        return found, None
    everything = list(found)
    return everything, len(everything)


Sink = Callable[["FileResult"], None]


@contextmanager
def result_sinks(
    model: SeverityModel,
    *,
    json: bool = False,
    csv: Path | None = None,
    html: Path | None = None,
    overlay: Path | None = None,
    title: str = "Pneumonia severity",
) -> Iterator[list[Sink]]:
    """Open the outputs that were asked for; files appear when the block ends well.

    Parameters
    ----------
    model : SeverityModel
        Whose scales a CSV table has.
    json : bool
        JSON lines on the standard output; otherwise a table there, when the block ends.
    csv, html : Path, optional
        Files to write.
    overlay : Path, optional
        Existing folder for pictures.
    title : str
        Heading of the page.

    Yields
    ------
    list of callable
        Each takes every `FileResult`.
    """
    from pneumoscore.pipeline.sinks import csv_file, json_line

    with ExitStack() as stack:
        sinks: list[Sink] = []
        if json:
            sinks.append(lambda result: print(json_line(result), flush=True))
        else:
            sinks.append(stack.enter_context(_table_at_the_end()))
        if csv is not None:
            scales = [model.head(name).scale for name in model.shown]
            sinks.append(stack.enter_context(csv_file(csv, scales)).add)
        if html is not None:
            from pneumoscore.pipeline.page import page_file

            sinks.append(stack.enter_context(page_file(html, title)).add)
        if overlay is not None:
            from pneumoscore.cli.overlay import OverlayFolder

            sinks.append(OverlayFolder(overlay).add)
        yield sinks


@contextmanager
def _table_at_the_end() -> Iterator[Sink]:
    from pneumoscore.cli.table import TableRow, print_table

    rows: list[TableRow] = []
    yield lambda result: rows.append(TableRow(result.file, result.score, result.flags))
    if rows:
        print_table(rows)


def deliver(
    results: Iterable[FileResult], sinks: list[Sink], bar: LateProgress, total: int | None
) -> tuple[int, int]:
    """Hand every result to every sink, and name each failure on the standard error stream.

    Returns
    -------
    tuple of int
        Files done, and how many of them have no score.
    """
    done = failed = 0
    for result in results:
        done += 1
        for sink in sinks:
            sink(result)
        if result.error is not None:
            failed += 1
            bar.say(f"error: {result.file}: {result.error}")
        bar.update(done, total)
    return done, failed
