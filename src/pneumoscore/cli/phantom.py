"""``pneumoscore phantom``: write a synthetic film of known disease."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pneumoscore.cli.options import Overwrite, new_app, write_target
from pneumoscore.files import check_output
from pneumoscore.marks import PHANTOM
from pneumoscore.present.text import printable

__all__ = ["app"]

app = new_app()
_EPILOG = """\b
Example:
  pneumoscore phantom --right-extent 0.6 --left-extent 0.2 --density 0.4 film.dcm
"""


class _View(StrEnum):
    PA = "PA"
    AP = "AP"


@app.command(epilog=_EPILOG)
def phantom(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="File to write: .png for a 16-bit PNG, .dcm for DICOM (DX)."
        ),
    ],
    extent: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of each lung that is involved."),
    ] = 0.0,
    density: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the air replaced there: under 0.5 ground glass, above consolidation.",
        ),
    ] = 0.5,
    right_extent: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Extent in the patient's right lung.")
    ] = None,
    left_extent: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Extent in the patient's left lung.")
    ] = None,
    right_density: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Density in the right lung.")
    ] = None,
    left_density: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Density in the left lung.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, help="The synthetic patient: the same number, the same anatomy."),
    ] = 0,
    size: Annotated[int, typer.Option(min=64, max=4096, help="Rows and columns.")] = 768,
    view: Annotated[_View, typer.Option(help="Projection.")] = _View.PA,
    acquired: Annotated[
        datetime, typer.Option(help="Date and time written into a DICOM file.")
    ] = datetime(2026, 1, 1, 8, 0),
    overwrite: Overwrite = False,
) -> None:
    """Write a synthetic frontal radiograph with pneumonia of known extent and density.

    It shows no person. Use it to check an installation without patient data: the command
    prints the scores that the film was drawn with, to compare with 'pneumoscore score'.
    """
    from pneumoscore.phantom import (
        LungDisease,
        PhantomSpec,
        SyntheticPatient,
        render_phantom,
        write_phantom_dicom,
        write_phantom_png,
    )

    check_output(write_target(out), overwrite=overwrite, kind=PHANTOM)
    suffix = out.suffix.lower()
    if suffix not in (".png", ".dcm"):
        raise typer.BadParameter(
            f"{printable(out.name)} ends in {printable(suffix) or 'nothing'}; expected .png or .dcm"
        )

    def disease(own_extent: float | None, own_density: float | None) -> LungDisease:
        return LungDisease(
            extent if own_extent is None else own_extent,
            density if own_density is None else own_density,
        )

    film = render_phantom(
        PhantomSpec(
            right=disease(right_extent, right_density),
            left=disease(left_extent, left_density),
            seed=seed,
            size=size,
            view=view.value,
        )
    )
    if suffix == ".png":
        write_phantom_png(film, out, overwrite=overwrite)
    else:
        write_phantom_dicom(film, out, SyntheticPatient(), acquired, overwrite=overwrite)
    typer.echo(
        f"{printable(out)}: drawn with geographic extent {film.geographic_extent} of 8, "
        f"opacity {film.opacity} of 6"
    )
