"""``pneumoscore demo``: the whole way on synthetic films, without a network."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import ModelName, Overwrite, Threads, new_app, settings_with
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.status import ExitStatus
from pneumoscore.present.text import printable

if TYPE_CHECKING:
    from pneumoscore.phantom import Phantom
    from pneumoscore.pipeline.result import FileResult
    from pneumoscore.pipeline.run import RunReport
    from pneumoscore.severity.score import Score

__all__ = ["app"]

app = new_app()
FILM_SIZE = 512
ADMISSION = datetime(2026, 1, 1, 8, 0)


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help="Folder to write to; made if need be. Default: pneumoscore-demo; with --serve "
            "one that is deleted at the end.",
            show_default=False,
        ),
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Open a ward, a patient and a reader study in a browser."),
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of --serve, on this computer.")
    ] = 8000,
    model: ModelName = None,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw five films of one synthetic patient over five days, and score them.

    Writes the films as DICOM, a picture of each with its contribution map, a CSV table, and
    a page, index.html, to open in a browser. Needs no network and no data; the films show
    no person. The quality gate judges them as it does any film.

    With --serve it draws some patients more and serves the page with them: a ward, a patient's
    timeline, a small reader study, and an account for each role.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    if serve:
        from pneumoscore.cli.demo_site import serve_first_look

        serve_first_look(folder, port, model, threads)
        return
    _on_files(folder or Path("pneumoscore-demo"), model, threads, overwrite)


def _on_files(folder: Path, model: str | None, threads: int | None, overwrite: bool) -> None:
    """Draw, score, and write a page of files."""
    from pneumoscore.cli.terminal import TerminalTable, conclude, file_sinks, tell
    from pneumoscore.pipeline.job import run_job
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.outputs import Outputs
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.severity.model import SeverityModel

    settings = settings_with(model=model, threads=threads)
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    outputs = Outputs(overwrite=overwrite, identifiers=settings.identifiers)
    title = "Demonstration: one synthetic patient over five days"
    sinks = [
        *file_sinks(outputs, overlay=folder / "overlays"),
        TerminalTable(),
        *file_sinks(outputs, csv=folder / "scores.csv", html=page, title=title),
    ]
    with LateProgress("drawing and scoring") as bar:
        films, drawn = _draw_films(folder, bar, overwrite)
        scores: list[Score | None] = []

        def watch(result: FileResult, so_far: RunReport) -> None:
            scores.append(result.score)
            tell(result, so_far, bar, len(films))

        done = run_job(
            [Found(film) for film in films],
            opened,
            ScoringOptions(level=settings.level, view=True),
            sinks,
            workers=settings.workers,
            watch=watch,
        )
    conclude(done)
    typer.echo(_truth(drawn, scores))
    typer.echo(f"Open in a browser: {printable(page.resolve())}")
    if done.failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _draw_films(
    folder: Path, bar: LateProgress, overwrite: bool
) -> tuple[list[Path], list[Phantom]]:
    from pneumoscore.phantom import (
        SyntheticPatient,
        demo_series,
        render_phantom,
        write_phantom_dicom,
    )

    films, drawn = [], []
    for day, spec in demo_series():
        film = render_phantom(replace(spec, size=FILM_SIZE))
        path = folder / f"day-{day}.dcm"
        acquired = ADMISSION + timedelta(days=day - 1)
        write_phantom_dicom(film, path, SyntheticPatient(), acquired, day, overwrite=overwrite)
        films.append(path)
        drawn.append(film)
        bar.update(0, None)
    return films, drawn


def _truth(drawn: list[Phantom], scores: list[Score | None]) -> str:
    """Say what the films were drawn with, and how often that lies in the scores' intervals."""
    extents = " ".join(str(film.geographic_extent) for film in drawn)
    opacities = " ".join(str(film.opacity) for film in drawn)
    words = f"The films were drawn with extent {extents} and opacity {opacities}"
    within = []
    for film, score in zip(drawn, scores, strict=True):
        truths = {"geographic_extent": film.geographic_extent, "opacity": film.opacity}
        for part in () if score is None else score.scales:
            if part.scale.name in truths and part.low is not None and part.high is not None:
                within.append(part.low <= truths[part.scale.name] <= part.high)
    if not within:
        return f"{words}."
    words += f": {sum(within)} of {len(within)} within their intervals."
    if all(within):
        return words
    return (
        f"{words}\nThe intervals are measured on films of patients. A phantom is drawn from "
        "formulas, and shows what the program does, not how well it reads."
    )
