"""``pneumoscore model fit``: heads from a site's own labels."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoscore.cli.options import Threads, settings_with
from pneumoscore.cli.study_options import Images, MappingFile
from pneumoscore.present.text import printable
from pneumoscore.settings import require_extra

if TYPE_CHECKING:
    from pneumoscore.study.fit import FittedModel

__all__ = ["EPILOG", "fit"]

EPILOG = """\b
Example:
  pneumoscore model fit --backbone densenet121-res224-all --labels scores.csv \\
      --images films/ --out my-model/
  pneumoscore score --model my-model/ film.dcm
"""


class _FeatureSet(StrEnum):
    LUNG_OPACITY = "lung_opacity"
    FOUR_FINDINGS = "four_findings"
    FINDINGS = "findings"
    FEATURES = "features"
    NONE = "none"


def fit(
    labels: Annotated[
        Path,
        typer.Option(
            metavar="TABLE",
            help="CSV or Parquet table, a film a row: file, patient, and the scores of your "
            "readers under geographic_extent (0-8), opacity (0-6) or opacity_ralo (0-8). "
            "At least 30 films.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The new model.")],
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Backbone to fit on. Default: that of the built-in model."
        ),
    ] = None,
    images: Images = None,
    feature_set: Annotated[
        _FeatureSet, typer.Option(help="What of the backbone the heads see.")
    ] = _FeatureSet.FEATURES,
    mapping: MappingFile = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the new model. Default: the folder's.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Its version. Default: from its hash, so that no two models share it."),
    ] = None,
    stand_alone: Annotated[
        bool,
        typer.Option("--stand-alone", help="Copy the backbone into the folder, to move both."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is in the folder.")
    ] = False,
    threads: Threads = None,
) -> None:
    """Fit heads on your own labels, cross-validated by patient, with intervals and a card.

    Prints the error on patients that were not fitted on, beside that of always giving the
    mean. Needs the extra 'study'. RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """
    require_extra("study", "sklearn", "scipy", "pandas")
    from pneumoscore.backbone.record import load_record
    from pneumoscore.backbone.registry import find_backbone
    from pneumoscore.backbone.session import Backbone
    from pneumoscore.cli.progress import LateProgress
    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.severity.bundle import refuse_bundle_there
    from pneumoscore.study.cohorts import open_cohort
    from pneumoscore.study.fit import fit_severity_model

    record = find_backbone(_default_backbone() if backbone is None else backbone)
    if not overwrite:
        refuse_bundle_there(out, *([load_record(record).file] if stand_alone else []))
    if not labels.is_file():
        raise PneumoScoreError(f"there is no table {labels}", "a CSV or Parquet file of labels")
    cohort = open_cohort(str(labels), None, images, mapping)
    with LateProgress("reading films") as bar:
        model = fit_severity_model(
            Backbone.open(record, threads=settings_with(threads=threads).threads),
            cohort,
            feature_set=feature_set.value,
            name=out.resolve().name if name is None else name,
            version=version,
            progress=lambda done: bar.update(done, len(cohort.films)),
        )
    model.write(out, record if stand_alone else None, overwrite=overwrite)
    _print_figures(model)
    typer.echo(f"model: {printable(out)}; use it with: pneumoscore score --model {printable(out)}")


def _default_backbone() -> str:
    from pneumoscore.severity.bundle import find_bundle, read_bundle
    from pneumoscore.severity.model import DEFAULT_MODEL

    return read_bundle(find_bundle(DEFAULT_MODEL)).backbone


def _print_figures(model: FittedModel) -> None:
    for fitted in model.heads:
        scale, figures = fitted.head.scale, fitted.figures
        typer.echo(
            f"{scale.title} {scale.low:g}-{scale.high:g}: {fitted.films} films of "
            f"{fitted.patients} patients; on held-out patients MAE {figures['mae']:.2f} "
            f"(mean predictor {figures['mean_mae']:.2f}), r {figures['pearson']:.2f}, "
            f"90 % interval covers {100 * figures['coverage']:.0f} %, "
            f"mean width {figures['width']:.2f}"
        )
    if model.taught:
        typer.echo(f"{model.taught} of the films had taught the backbone: these figures flatter.")
