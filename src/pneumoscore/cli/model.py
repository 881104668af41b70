"""``pneumoscore model``: what models there are, and how to get more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pneumoscore.cli import fit as fitting
from pneumoscore.cli.options import new_app
from pneumoscore.present.text import printable

if TYPE_CHECKING:
    from pneumoscore.backbone.record import BackboneRecord
    from pneumoscore.radiograph.types import InputSpec

__all__ = ["app"]

# The words of `pneumoscore.radiograph.types`, whose import would make the help wait for NumPy.
SquaringWord = Literal["pad", "crop", "lungs"]
PixelRangeWord = Literal["standardised", "signed_1024", "unit"]

app = new_app("List, show, fetch, add, remove and fit models.")
app.command(epilog=fitting.EPILOG)(fitting.fit)
_FETCH_EPILOG = """\b
Examples:
  pneumoscore model fetch densenet121-res224-all
  pneumoscore model fetch densenet121-res224-all --from downloaded-elsewhere.pt
"""
_ADD_EPILOG = """\b
Examples:
  pneumoscore model add checkpoint.pt --name mine
  pneumoscore model add network.onnx --name mine --size 224 --squaring crop \\
      --pixel-range unit --output findings=logits --output feature_map=last_relu
"""


@app.command("list")
def list_models() -> None:
    """List the severity models and the backbones on this computer."""
    from pneumoscore.backbone.record import load_record
    from pneumoscore.backbone.registry import available_backbones, weights_folder
    from pneumoscore.severity.bundle import available_bundles, read_bundle
    from pneumoscore.severity.model import DEFAULT_MODEL

    backbones = available_backbones()
    typer.echo("Severity models")
    for name, folder in available_bundles().items():
        bundle = read_bundle(folder)
        scales = ", ".join(
            f"{head.scale.name} {head.scale.low:g}-{head.scale.high:g}" for head in bundle.heads
        )
        remarks = ["default"] if name == DEFAULT_MODEL else []
        if not bundle.backbone.endswith(".json") and bundle.backbone not in backbones:
            remarks.append(f"needs: pneumoscore model fetch {bundle.backbone}")
        _line(name, f"{scales}; backbone {bundle.backbone}", remarks)
    typer.echo("\nBackbones")
    for name, path in backbones.items():
        record = load_record(path)
        origin = "built in" if path.parent == weights_folder() else str(path.parent)
        _line(
            f"{name} {record.version}",
            f"{len(record.findings)} findings, "
            f"{record.feature_width} features, {record.input.size} px",
            [origin],
        )


def _line(name: str, text: str, remarks: list[str]) -> None:
    remark = f"  ({', '.join(remarks)})" if remarks else ""
    typer.echo(printable(f"  {name:24} {text}{remark}"))


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FOLDER]", help="By default the built-in model."),
    ] = None,
) -> None:
    """Print the card of a severity model: intended use, data, terms, figures, failures."""
    from pneumoscore.severity.bundle import find_bundle, read_bundle
    from pneumoscore.severity.model import DEFAULT_MODEL
    from pneumoscore.severity.score import RESEARCH_NOTICE

    bundle = read_bundle(find_bundle(DEFAULT_MODEL if name is None else name))
    card = bundle.card.strip() or f"# {bundle.name} {bundle.version}\n\nThis model has no card."
    for line in card.splitlines():
        typer.echo(printable(line))
    if RESEARCH_NOTICE.lower() not in card.lower():
        typer.echo(f"\n{RESEARCH_NOTICE}.")


@app.command(epilog=_FETCH_EPILOG)
def fetch(
    name: Annotated[str, typer.Argument(help="A published backbone.")],
    from_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The published file, already downloaded."),
    ] = None,
) -> None:
    """Download a published backbone once, check it, and convert it.

    It connects to that network's publisher, and with --from to nobody. Needs the extra
    'convert'.
    """
    from pneumoscore.cli.progress import LateProgress
    from pneumoscore.convert.fetch import fetch_backbone

    with LateProgress(f"fetching {name}, MiB") as bar:
        record = fetch_backbone(
            name,
            from_file=from_file,
            progress=lambda got, total: bar.update(
                got >> 20, None if total is None else total >> 20
            ),
        )
    _installed(record)


@app.command(epilog=_ADD_EPILOG)
def add(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A DenseNet-121 checkpoint of PyTorch (read without executing it), an ONNX "
            "file, or the .json record of a backbone.",
        ),
    ],
    name: Annotated[str, typer.Option(help="Name to use it by.")],
    size: Annotated[
        int | None,
        typer.Option(min=16, max=4096, help="Rows and columns it takes; an ONNX file needs it."),
    ] = None,
    squaring: Annotated[
        SquaringWord | None, typer.Option(help="How a film becomes square; an ONNX file needs it.")
    ] = None,
    pixel_range: Annotated[
        PixelRangeWord | None, typer.Option(help="Range of its input; an ONNX file needs it.")
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            min=1.0, max=10.0, help="With --squaring lungs: side of the square, in boxes."
        ),
    ] = 1.0,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Which value of an ONNX file is findings, features, feature_map or lungs, where "
            "it has another name; repeat.",
        ),
    ] = None,
    findings: Annotated[
        str | None, typer.Option(help="Names of its findings in order, with commas between.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Its version. Default: from its hash, so that no two networks share it."),
    ] = None,
    training_data: Annotated[str, typer.Option(help="What it was trained on.")] = "unknown",
    licence: Annotated[str, typer.Option(help="Terms of its weights.")] = "unknown",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an added backbone of this name.")
    ] = False,
) -> None:
    """Add a network as a backbone: converted, verified, and kept in your home folder.

    A checkpoint is fed as torchxrayvision (one channel) or ImageNet (three) feeds it unless
    --size, --squaring and --pixel-range say otherwise; an ONNX file does not say how it is
    fed, so they are needed. Fit heads on it with 'pneumoscore model fit'. Networks other than
    records need the extra 'convert'.
    """
    from pneumoscore.convert.add import add_backbone

    _installed(
        add_backbone(
            file,
            name,
            input=_input_spec(size, squaring, pixel_range, margin),
            findings=[part.strip() for part in findings.split(",")] if findings else None,
            outputs=dict(_named_output(text) for text in output or ()),
            version=version,
            training_data=training_data,
            licence=licence,
            overwrite=overwrite,
        )
    )


def _input_spec(
    size: int | None,
    squaring: SquaringWord | None,
    pixel_range: PixelRangeWord | None,
    margin: float,
) -> InputSpec | None:
    if size is None and squaring is None and pixel_range is None:
        return None
    if size is None or squaring is None or pixel_range is None:
        raise typer.BadParameter("--size, --squaring and --pixel-range go together")
    from pneumoscore.radiograph.types import InputSpec, PixelRange, Squaring

    return InputSpec(size, Squaring(squaring), PixelRange(pixel_range), margin)


def _named_output(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r}; expected NAME=VALUE, as findings=logits")
    return name.strip(), value.strip()


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A backbone that was fetched or added.")],
) -> None:
    """Delete a fetched or added backbone. Models fitted on it can then not be opened."""
    from pneumoscore.backbone.registry import remove_backbone

    for path in remove_backbone(name):
        typer.echo(printable(f"removed: {path}"))


def _installed(record: BackboneRecord) -> None:
    from pneumoscore.backbone.registry import find_backbone

    typer.echo(
        printable(
            f"backbone {record.name} {record.version}: {find_backbone(record.name)} "
            f"(SHA-256 {record.sha256})"
        )
    )
