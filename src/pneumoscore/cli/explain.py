"""``pneumoscore explain``: one film, its maps and its scores as a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import (
    Force,
    LevelOrSetting,
    ModelName,
    NoVoi,
    Overwrite,
    Threads,
    new_app,
    settings_with,
    write_target,
)
from pneumoscore.cli.status import ExitStatus, say, say_error
from pneumoscore.files import check_output
from pneumoscore.present.text import printable

__all__ = ["app"]

app = new_app()


class _ScaleName(StrEnum):
    GEOGRAPHIC_EXTENT = "geographic_extent"
    OPACITY = "opacity"


@app.command(
    epilog="\b\nExample:\n  pneumoscore explain film.dcm -o film-explained.png",
)
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The film: DICOM or an image.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PNG", help="Picture to write, a PNG.")
    ],
    scale: Annotated[
        _ScaleName, typer.Option(help="The score whose maps are drawn.")
    ] = _ScaleName.GEOGRAPHIC_EXTENT,
    model: ModelName = None,
    level: LevelOrSetting = None,
    force: Force = False,
    threads: Threads = None,
    no_voi: NoVoi = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw one film beside its contribution map and its saliency map.

    The contribution map says how much each place adds to the score; the saliency map is the
    squared gradient that Cohen et al. (2020) show. Both scores and the notice are written on
    the picture, which holds nothing of the patient but the film itself.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    from pneumoscore.cli.table import TableRow, print_table
    from pneumoscore.errors import ModelError, PneumoScoreError
    from pneumoscore.present.film_picture import explain_image, save_picture
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.radiograph.read import read_radiograph
    from pneumoscore.severity.model import SeverityModel

    check_output(write_target(out), inputs=[file], overwrite=overwrite)
    settings = settings_with(model=model, level=level, threads=threads)
    opened = SeverityModel.open(settings.model, threads=settings.threads)
    try:
        film = read_radiograph(file, options=ReadOptions(voi=not no_voi))
        score = opened.score(film, level=settings.level, force=force)
    except ModelError:
        raise
    except PneumoScoreError as error:
        say_error(f"{file}: {error}")
        raise typer.Exit(ExitStatus.SOME_FAILED) from error
    saliency, why = None, ""
    try:
        saliency = opened.saliency(film, scale.value)
    except ModelError as error:
        why = error.found
    picture = explain_image(film.pixels, score, saliency, scale.value, why=why)
    save_picture(picture, out, inputs=[file], overwrite=overwrite)
    print_table([TableRow(str(file), score, score.flags)])
    if why:
        say(f"no saliency map: {why}")
    typer.echo(f"picture: {printable(out)}")
