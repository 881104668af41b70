"""Giving a network from elsewhere the inputs and outputs of a backbone.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pneumoscore.convert.gradient import raise_opset
from pneumoscore.errors import ModelError

__all__ = ["to_contract"]

# Mean and standard deviation of ImageNet's colours in [0, 1], the common normalisation.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
OUTPUTS = ("findings", "features", "feature_map", "lungs")


def to_contract(
    model: onnx.ModelProto, size: int, outputs: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Return a network with the names and shapes of docs/architecture.md.

    Parameters
    ----------
    model : onnx.ModelProto
        A network with one input, (batch, 1 or 3, size, size). One of three channels gets the
        grey film, in [0, 1], three times, normalised by ImageNet's figures.
    size : int
        Rows and columns of the film.
    outputs : mapping of str to str, optional
        For ``findings``, ``features``, ``feature_map`` and ``lungs``: which value of the
        network it is, an output or any value inside. By default the value of that name.
        ``features`` may be left out: then it is the mean of the feature map.

    Raises
    ------
    ModelError
        If the network has more than one input, or lacks a value.
    """
    adapted: Any = onnx.ModelProto()
    adapted.CopyFrom(raise_opset(model))
    graph = adapted.graph
    film, channels = _film_input(graph)
    stored = {tensor.name for tensor in graph.initializer}
    chosen = dict(outputs or {})
    if unknown := sorted(set(chosen) - set(OUTPUTS)):
        raise ModelError(f"the unknown output {', '.join(unknown)}", f"some of {OUTPUTS}")
    values = {name for node in graph.node for name in node.output} | {film}
    sources = {name: chosen.get(name, name) for name in OUTPUTS if name in chosen or name in values}
    for name in ("findings", "feature_map"):
        if name not in sources:
            raise ModelError(
                f"the network has no value {name!r}",
                f"values for {', '.join(OUTPUTS[:3])}",
                "say which of its values they are; its outputs are "
                + ", ".join(value.name for value in graph.output),
            )
    for name, source in sources.items():
        if source not in values:
            raise ModelError(f"the network has no value {source!r} to be {name}", "one of its own")

    # Every value gets a prefix, so that none can stand in the way of the contract's names.
    _rename(graph, {name: f"network/{name}" for name in values | stored if name})
    _feed(graph, f"network/{film}", channels)
    for name, source in sources.items():
        graph.node.append(helper.make_node("Identity", [f"network/{source}"], [name], name=name))
    if "features" not in sources:
        graph.node.extend(
            [
                helper.make_node("GlobalAveragePool", ["feature_map"], ["pooled"], name="pooled"),
                helper.make_node("Flatten", ["pooled"], ["features"], name="features", axis=1),
            ]
        )
    # Shapes in the file may hold a fixed batch; all are inferred again from the film's.
    del graph.value_info[:], graph.output[:], graph.input[:]
    graph.input.append(
        helper.make_tensor_value_info("film", TensorProto.FLOAT, ["n", 1, size, size])
    )
    for name in OUTPUTS:
        if name in sources or name == "features":
            graph.output.append(helper.make_empty_tensor_value_info(name))
            graph.output[-1].type.tensor_type.elem_type = TensorProto.FLOAT
    return _with_shapes(adapted)


def _film_input(graph: onnx.GraphProto) -> tuple[str, int]:
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1:
        raise ModelError(f"the network has {len(inputs)} inputs", "one, the film")
    (value,) = inputs
    dims = value.type.tensor_type.shape.dim
    channels = dims[1].dim_value if len(dims) == 4 else 0
    if channels not in (1, 3) or value.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise ModelError(
            f"input {value.name!r} has {len(dims)} dimensions and {channels} channels",
            "float32, (batch, 1 or 3, rows, columns)",
        )
    return str(value.name), int(channels)


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.node:
        if any(item.HasField("g") or item.graphs for item in node.attribute):
            raise ModelError(
                f"the {node.op_type} node {node.name!r} holds a graph of its own",
                "a network without branches and loops",
            )
        for fields in (node.input, node.output):
            fields[:] = [names.get(name, name) for name in fields]
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]


def _feed(graph: Any, first: str, channels: int) -> None:
    """Put the film in front of the network, as its one or its three channels."""
    if channels == 1:
        nodes = [helper.make_node("Identity", ["film"], [first], name="film_input")]
    else:
        # (film - mean) / deviation for each colour, as a convolution of one place.
        mean, deviation = np.array([IMAGENET_MEAN, IMAGENET_DEVIATION], dtype=np.float32)
        weights = {"rgb_weight": (1 / deviation).reshape(3, 1, 1, 1), "rgb_bias": -mean / deviation}
        graph.initializer.extend(
            numpy_helper.from_array(array, name) for name, array in weights.items()
        )
        nodes = [helper.make_node("Conv", ["film", *weights], [first], name="film_input")]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _with_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the shapes of its outputs, the batch free."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        raise ModelError(
            f"the network does not take films of this size ({error})", "the size it was made for"
        ) from error
    for value, found in zip(model.graph.output, inferred.graph.output, strict=True):
        dims = found.type.tensor_type.shape.dim
        if not dims or any(not item.HasField("dim_value") for item in dims[1:]):
            raise ModelError(
                f"the shape of {value.name!r} is unknown", "a network with fixed lengths"
            )
        value.CopyFrom(
            helper.make_tensor_value_info(
                value.name, TensorProto.FLOAT, ["n", *(item.dim_value for item in dims[1:])]
            )
        )
    return model
