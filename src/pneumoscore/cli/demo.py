"""``pneumoscore demo``: the whole way on synthetic films, without a network."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import ModelName, Threads, new_app
from pneumoscore.cli.progress import LateProgress
from pneumoscore.cli.score import deliver, result_sinks
from pneumoscore.cli.status import ExitStatus
from pneumoscore.present.text import printable

if TYPE_CHECKING:
    from pneumoscore.phantom import Phantom

__all__ = ["app"]

app = new_app()
FILM_SIZE = 512
ADMISSION = datetime(2026, 1, 1, 8, 0)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Folder to write to; made if need be.")
    ] = Path("pneumoscore-demo"),
    model: ModelName = None,
    threads: Threads = None,
) -> None:
    """Draw five films of one synthetic patient over five days, and score them.

    Writes the films as DICOM, a picture of each with its contribution map, a CSV table, and
    a page, index.html, to open in a browser. Needs no network and no data; the films show
    no person. They are scored even where the quality gate finds them unlike a real film,
    and then carry its flags.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.pipeline.job import score_files
    from pneumoscore.severity.model import SeverityModel

    opened = SeverityModel.open(model, threads=threads)
    overlays = folder / "overlays"
    overlays.mkdir(parents=True, exist_ok=True)
    with LateProgress("drawing and scoring") as bar:
        films, drawn = _draw_films(folder, bar)
        page = folder / "index.html"
        with result_sinks(
            opened,
            csv=folder / "scores.csv",
            html=page,
            overlay=overlays,
            title="Demonstration: one synthetic patient over five days",
        ) as sinks:
            results = score_files(films, opened, keep_radiographs=True)
            _, failed = deliver(results, sinks, bar, None)
    extents = " ".join(str(film.geographic_extent) for film in drawn)
    opacities = " ".join(str(film.opacity) for film in drawn)
    typer.echo(f"The films were drawn with extent {extents} and opacity {opacities}.")
    typer.echo(f"Open in a browser: {printable(page.resolve())}")
    if failed:
        raise typer.Exit(ExitStatus.SOME_FAILED)


def _draw_films(folder: Path, bar: LateProgress) -> tuple[list[Path], list[Phantom]]:
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
        write_phantom_dicom(film, path, SyntheticPatient(), acquired, study_number=day)
        films.append(path)
        drawn.append(film)
        bar.update(0, None)
    return films, drawn
