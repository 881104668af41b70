"""Adding a network from elsewhere to the user's backbones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscore.backbone.record import (
    BackboneRecord,
    is_name,
    load_record,
    refuse_same_version,
    save_record,
)
from pneumoscore.backbone.registry import available_backbones, backbones_folder, weights_folder
from pneumoscore.backbone.session import Backbone
from pneumoscore.errors import ModelError
from pneumoscore.files import sha256_of, write_atomically
from pneumoscore.radiograph.types import InputSpec, PixelRange, Squaring
from pneumoscore.settings import require_extra

if TYPE_CHECKING:
    import onnx

__all__ = ["DENSENET_INPUT", "RGB_INPUT", "add_backbone"]

DENSENET_INPUT = InputSpec(224, Squaring.CROP, PixelRange.SIGNED_1024)
"""Cohen et al. 2020, Methods: 224 x 224, centre-cropped, pixels in [-1024, 1024]."""
RGB_INPUT = InputSpec(224, Squaring.CROP, PixelRange.UNIT)
"""As torchvision's networks take a film; the network itself normalises its three channels."""


def add_backbone(
    path: str | Path,
    name: str,
    *,
    input: InputSpec | None = None,
    findings: Sequence[str] | None = None,
    outputs: Mapping[str, str] | None = None,
    version: str | None = None,
    training_data: str = "unknown",
    licence: str = "unknown",
    url: str | None = None,
    details: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> BackboneRecord:
    """Convert a network, verify it and put it among the user's backbones.

    Parameters
    ----------
    path : str or Path
        One of: a PyTorch checkpoint of a DenseNet-121 with the parameter names of torchvision
        or torchxrayvision (read without executing it); an ONNX file; the ``.json`` record of a
        backbone, which is copied with its file, and takes nothing but a name.
    name : str
        Name under which it will be found.
    input : InputSpec, optional
        How films are prepared for it. An ONNX file does not say, so it must be given; a
        checkpoint of one channel is taken as torchxrayvision's (`DENSENET_INPUT`), one of three
        channels as ImageNet's (`RGB_INPUT`); a record says it itself.
    findings : sequence of str, optional
        Names of its finding logits, in order; numbered by default.
    outputs : mapping of str to str, optional
        For an ONNX file: see `pneumoscore.convert.contract.to_contract`.
    version : str, optional
        By default taken from the network's hash, so that no two networks share it.
    training_data, licence, url, details
        As in `BackboneRecord`.
    overwrite : bool, optional
        Replace an added backbone of this name. Built-in ones are never replaced.

    Returns
    -------
    BackboneRecord
        The record, stored in `backbones_folder`.

    Raises
    ------
    ModelError
        If the name is taken, the file cannot be read or does not fit, it is not said how it
        is fed, or a record comes with what it says itself.
    MissingExtraError
        If the conversion needs onnx and it is not installed.
    """
    path = Path(path)
    _require_free(name, overwrite)
    if path.suffix == ".json":
        told = {
            "input": input,
            "findings": findings,
            "outputs": outputs,
            "version": version,
            "training data": _unless_unknown(training_data),
            "licence": _unless_unknown(licence),
            "url": url,
            "details": details,
        }
        _refuse_told(path, [what for what, value in told.items() if value])
        return _copy(path, name)
    require_extra("convert", "onnx")
    from pneumoscore.convert.contract import to_contract
    from pneumoscore.convert.store import store_backbone

    network, spec = _load(path, input)
    model = to_contract(network, spec.size, outputs)
    kept = {"source_file": path.name, "source_sha256": sha256_of(path), **(details or {})}
    reason = _why_no_gradient(model)
    if reason:
        # Scores and contribution maps need no gradient; only the saliency map is lost.
        kept["no_gradient"] = reason
    count = _length(model, "findings")
    names = tuple(findings) if findings else tuple(f"finding {i + 1}" for i in range(count))
    if len(names) != count:
        raise ModelError(f"{len(names)} findings are named", f"the network's {count}")
    return store_backbone(
        model,
        backbones_folder(),
        name=name,
        version=version,
        input=spec,
        findings=names,
        training_data=training_data,
        licence=licence,
        url=url,
        gradient=not reason,
        details=kept,
    )


def _unless_unknown(said: str) -> str | None:
    return None if said == "unknown" else said


def _refuse_told(record: Path, told: Sequence[str]) -> None:
    """Raise if a record, which is copied as it is, comes with what it says itself."""
    if told:
        raise ModelError(
            f"{', '.join(told)} of {record.name}, a record, which says so itself",
            "its name alone",
            "leave these options out",
        )


def _require_free(name: str, overwrite: bool) -> None:
    if not is_name(name):
        raise ModelError(f"{name!r} cannot be a backbone's name", "letters, digits, '.', '_', '-'")
    found = available_backbones().get(name)
    if found is None:
        return
    if found.parent == weights_folder():
        raise ModelError(f"{name!r} is the name of a built-in backbone", "another name")
    if not overwrite:
        raise ModelError(
            f"backbone {name!r} is installed already ({found})",
            "a name not yet taken",
            "choose another name, or overwrite it",
        )


def _copy(path: Path, name: str) -> BackboneRecord:
    record = load_record(path)
    # Opening verifies the hash and that the file fits the record.
    Backbone.open(path, threads=1)
    data = (path.parent / record.file).read_bytes()
    renamed = dataclasses.replace(record, name=name, file=f"{name}.onnx")
    folder = backbones_folder()
    refuse_same_version(renamed, folder)
    write_atomically(folder / renamed.file, data)
    save_record(renamed, folder / f"{name}.json")
    return renamed


def _load(path: Path, spec: InputSpec | None) -> tuple[onnx.ModelProto, InputSpec]:
    """Return the network in a file, and how it is fed."""
    if path.suffix != ".onnx":
        from pneumoscore.convert.checkpoint import read_state_dict
        from pneumoscore.convert.densenet import build_densenet121, densenet121_state

        state = densenet121_state(read_state_dict(path))
        grey = state["features.conv0.weight"].shape[1:2] == (1,)
        chosen = spec or (DENSENET_INPUT if grey else RGB_INPUT)
        return build_densenet121(state, size=chosen.size), chosen
    if spec is None:
        raise ModelError(
            f"an ONNX file, as {path.name}, does not say how films are fed to it",
            "size, squaring and pixel range",
            "give --size, --squaring and --pixel-range",
        )
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error})", "an ONNX file"
        ) from error
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ModelError(f"{path} is damaged or no ONNX file", "an ONNX file") from error
    return model, spec


def _why_no_gradient(model: onnx.ModelProto) -> str:
    """Return why a network can be given no input gradient; empty if it can."""
    from pneumoscore.convert.gradient import add_input_gradient

    try:
        add_input_gradient(model)
    except ModelError as error:
        return str(error)
    return ""


def _length(model: onnx.ModelProto, output: str) -> int:
    value = next(value for value in model.graph.output if value.name == output)
    return int(value.type.tensor_type.shape.dim[-1].dim_value)
