"""Options of the study commands, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Against",
    "Align",
    "AllowFaults",
    "Cache",
    "CohortName",
    "Data",
    "Images",
    "MappingFile",
    "NamedData",
    "Out",
    "PredictionsFile",
    "Repeats",
]

Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="FOLDER", help="Folder of the public films and tables (docs/study.md)."
    ),
]
NamedData = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Folder of a named cohort."),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to fill.")]
CohortName = Annotated[
    str | None,
    typer.Option(
        "--cohort",
        metavar="NAME|TABLE",
        help="cohen94, scored, collection, hannover, covid-chestxray-dataset or ralo (each with "
        "--data), or a CSV or Parquet table of your own films.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", metavar="FOLDER", help="Films of a table. Default: beside it."),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE|torchxrayvision",
        help="JSON file that says which column of a table means what (docs/study.md).",
    ),
]
PredictionsFile = Annotated[
    Path | None,
    typer.Option(
        "--predictions",
        metavar="FILE",
        help="Evaluate this table in place of a model: columns file, patient, view, source, "
        "scale, target, prediction.",
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="FILE", help="Predictions of another model or a reader to compare."
    ),
]
AllowFaults = Annotated[
    bool,
    typer.Option("--allow-faults", help="Leave films with faults out in place of stopping."),
]
Align = Annotated[
    bool,
    typer.Option("--align-opacity", help="Put RALO opacity labels (0-8) on 0-6, times 6/8."),
]
Repeats = Annotated[
    int, typer.Option("--repeats", min=100, help="Draws of the bootstrap over patients.")
]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FOLDER", help="Where features are kept between runs."),
]
