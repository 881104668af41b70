"""Options that the commands beside an archive share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Capture",
    "ReportClass",
    "Segmentation",
    "SegmentationShare",
    "ToCa",
    "ToCert",
    "ToKey",
]


def _report_class(text: str) -> str:
    known = ("comprehensive-3d", "comprehensive", "enhanced")
    if text not in known:
        raise typer.BadParameter(f"{text!r}; expected {', '.join(known)}")
    return text


ReportClass = Annotated[
    str,
    typer.Option(
        "--report",
        callback=_report_class,
        metavar="CLASS",
        help="Class of the structured report: comprehensive-3d, or for archives that do not "
        "take it comprehensive or enhanced. The content is the same.",
    ),
]
Capture = Annotated[
    bool,
    typer.Option(
        "--capture/--no-capture",
        help="Make a secondary capture: film and map side by side, with scores and notice.",
    ),
]
Segmentation = Annotated[
    bool,
    typer.Option("--segmentation", help="Also make a segmentation of the places that weigh most."),
]
SegmentationShare = Annotated[
    float,
    typer.Option(
        "--share",
        min=0.01,
        max=10.0,
        help="What weighs: a place over this share of where the colours of the map end.",
    ),
]
ToCert = Annotated[
    Path | None,
    typer.Option(
        "--to-cert",
        metavar="FILE",
        help="Certificate (PEM) that we show to applications named by dicoms://.",
    ),
]
ToKey = Annotated[Path | None, typer.Option("--to-key", metavar="FILE", help="Its key (PEM).")]
ToCa = Annotated[
    Path | None,
    typer.Option(
        "--to-ca",
        metavar="FILE",
        help="Authority that their certificates must be of (PEM). The system's.",
    ),
]
