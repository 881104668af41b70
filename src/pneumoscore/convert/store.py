"""Storing a network as a backbone: one ONNX file and its record, verified by running them.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pneumoscore.backbone.record import BackboneRecord, refuse_same_version, save_record
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.gradient import add_input_gradient, raise_opset
from pneumoscore.convert.graph import GraphEditor
from pneumoscore.convert.halve import store_weights_as_float16
from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.forms import to_form, to_json
from pneumoscore.radiograph.types import InputSpec

__all__ = ["gradient_part", "store_backbone", "verify_backbone"]

Array = NDArray[np.float32]


def gradient_part(forward: onnx.ModelProto, whole: onnx.ModelProto) -> bytes:
    """Return what `whole` has beyond `forward`, as bytes to append to the serialised `forward`.

    Protobuf reads two messages one after the other as one, repeated fields joined. So one file
    holds both networks, and its beginning alone is the forward one: a session made of it never
    computes the gradient.

    Raises
    ------
    ModelError
        If `whole` is not `forward` with nodes and values appended.
    """
    part: Any = onnx.ModelProto()
    for name in ("node", "initializer", "input", "output"):
        before, after = getattr(forward.graph, name), getattr(whole.graph, name)
        if list(after[: len(before)]) != list(before):
            raise ModelError(
                f"the two networks differ in their {name}s", "one that extends another"
            )
        getattr(part.graph, name).extend(after[len(before) :])
    return bytes(part.SerializeToString())


def store_backbone(
    model: onnx.ModelProto,
    folder: str | Path,
    *,
    name: str,
    version: str | None,
    input: InputSpec,
    findings: Sequence[str],
    training_data: str,
    licence: str,
    url: str | None = None,
    half: bool = False,
    gradient: bool = True,
    details: Mapping[str, Any] | None = None,
) -> BackboneRecord:
    """Write ``NAME.onnx`` and ``NAME.json`` into a folder and return the record.

    Parameters
    ----------
    model : onnx.ModelProto
        A network with the inputs and outputs of docs/architecture.md, without its gradient.
    folder : str or Path
        Where the two files go; made if need be.
    name, input, findings, training_data, licence, url, details
        As in `BackboneRecord`.
    version : str or None
        None takes it from the hash of the network and its input.
    half : bool, optional
        Store large weights as float16.
    gradient : bool, optional
        Add the input gradient.

    Raises
    ------
    ModelError
        If the model does not fit, an operator has no gradient rule, the folder holds another
        network of that name and version, or the stored file does not pass `verify_backbone`;
        then the folder stays as it was.
    """
    forward = raise_opset(model)
    if half:
        forward = store_weights_as_float16(forward)
    data = forward.SerializeToString()
    forward_bytes = None
    if gradient:
        forward_bytes = len(data)
        data += gradient_part(forward, add_input_gradient(forward))
    width, map_size = _map_shape(forward)
    record = BackboneRecord(
        name=name,
        version=version or _version_of(data, input),
        file=f"{name}.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        input=input,
        findings=tuple(findings),
        feature_width=width,
        map_size=map_size,
        training_data=training_data,
        licence=licence,
        url=url,
        has_lungs=any(value.name == "lungs" for value in forward.graph.output),
        has_gradient=gradient,
        forward_bytes=forward_bytes,
        details=dict(details or {}),
    )
    folder = Path(folder)
    refuse_same_version(record, folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Tried out of sight first, so that a network that fails leaves an older one as it was.
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder) as trial:
        _write(record, data, Path(trial))
        verify_backbone(Path(trial) / f"{name}.json")
    _write(record, data, folder)
    return record


def _version_of(data: bytes, spec: InputSpec) -> str:
    digest = hashlib.sha256(data)
    digest.update(to_json(to_form(spec)))
    return digest.hexdigest()[:8]


def _write(record: BackboneRecord, data: bytes, folder: Path) -> None:
    write_atomically(folder / record.file, data)
    save_record(record, folder / f"{record.name}.json")


def verify_backbone(record: str | Path, seed: int = 0) -> None:
    """Open a backbone and check what the scores rest on.

    The features are the mean of the feature map; two films at once give what each gives alone;
    the gradient, where there is one, predicts the change along itself.

    Raises
    ------
    ModelError
        If one of these does not hold.
    """
    # One thread: a verification is short, and threads that wait for a busy machine are slow.
    backbone = Backbone.open(record, threads=1)
    films = _noise(backbone.record, seed)
    both = backbone.run(films)
    for values in (both.findings, both.features, both.feature_map):
        if not np.isfinite(values).all():
            raise ModelError("the network gives values that are not finite", "a trained network")
    pooled = both.feature_map.mean(axis=(2, 3))
    if not _close(pooled, both.features):
        raise ModelError(
            f"features and mean feature map differ by {np.abs(pooled - both.features).max():.3g}",
            "features that are the mean of the feature map over its places",
            "name as feature_map the layer that is pooled into the features",
        )
    alone = backbone.run(films[1:])
    if not _close(alone.features[0], both.features[1]):
        raise ModelError("a film's features depend on the films beside it", "independent films")
    if backbone.record.has_gradient:
        ones = np.ones(backbone.record.feature_width, dtype=np.float32)
        if not np.isfinite(backbone.input_gradient(films, ones)).all():
            raise ModelError("the input gradient is not finite", "a trained network")


def _close(first: Array, second: Array) -> bool:
    scale = max(float(np.abs(second).max()), 1e-6)
    return bool(np.abs(first - second).max() <= 1e-4 * scale)


def _noise(record: BackboneRecord, seed: int) -> Array:
    """Return two films of noise in the record's pixel range."""
    size = record.input.size
    noise = np.random.default_rng(seed).random((2, 1, size, size), dtype=np.float32)
    low, high = {"standardised": (-2.0, 2.0), "signed_1024": (-1024.0, 1024.0), "unit": (0.0, 1.0)}[
        record.input.pixel_range
    ]
    return (low + (high - low) * noise).astype(np.float32)


def _map_shape(model: onnx.ModelProto) -> tuple[int, int]:
    """Return width and side of the feature map."""
    editor = GraphEditor(model)
    if "feature_map" not in {value.name for value in model.graph.output}:
        raise ModelError(
            "the network has no output 'feature_map'", "the names of docs/architecture.md"
        )
    shape = editor.lengths("feature_map", 1)
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ModelError(f"the feature map has shape {shape}", "(width, places, places)")
    return shape[0], shape[1]
