"""Reverse-mode rules: how each operator of the networks here hands a gradient back.

A rule takes the editor, the node and the gradient of its output, and returns the gradients of
its inputs, None where there is none to pass. There are rules for what the built-in networks
and DenseNet-121 are made of (ONNX operator specification, opset 18 and later; float32, batch
first); whatever else a network holds, it is stored without its gradient.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import onnx

from pneumoscore.convert.graph import GraphEditor, attributes_of
from pneumoscore.errors import ModelError

__all__ = ["RULES", "Rule"]

Rule = Callable[[GraphEditor, onnx.NodeProto, str, Collection[str]], list[str | None]]


def _no_rule(node: onnx.NodeProto, expected: str) -> ModelError:
    return ModelError(
        f"the {node.op_type} node {node.name!r} has no gradient rule as it is used here", expected
    )


def _require_same_shape(editor: GraphEditor, node: onnx.NodeProto, name: str) -> None:
    if editor.shape(name)[1:] != editor.shape(node.output[0])[1:]:
        raise _no_rule(node, "a value of the film that is not repeated")


def _same(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    return [gradient]


def _flatten(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    shape = editor.add("Shape", [name], f"{name}_shape")
    return [editor.add("Reshape", [gradient, shape], f"{name}_unflattened")]


def _add(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    for name in node.input:
        if name in active:
            _require_same_shape(editor, node, name)
    return [gradient if name in active else None for name in node.input]


def _gathered(editor: GraphEditor, gradient: str, node: onnx.NodeProto, name: str) -> str:
    """Add up a gradient over the channels or places over which an input was repeated."""
    own, whole = editor.lengths(name, 1), editor.lengths(node.output[0], 1)
    if own == whole:
        return gradient
    if len(own) != len(whole):
        raise _no_rule(node, "a value of the film with as many axes as the result")
    axes = [axis for axis, pair in enumerate(zip(own, whole, strict=True), 1) if len({*pair}) > 1]
    if any(own[axis - 1] != 1 for axis in axes):
        raise _no_rule(node, "a value of the film that is repeated along axes of length 1")
    return editor.add(
        "ReduceSum", [gradient, editor.integers(*axes)], f"{name}_gathered", keepdims=1
    )


def _mul(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    passed: list[str | None] = [None, None]
    for position, name in enumerate(node.input):
        if name in active:
            scaled = editor.add("Mul", [gradient, node.input[1 - position]], f"{name}_scaled")
            passed[position] = _gathered(editor, scaled, node, name)
    return passed


def _div(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    above, below = node.input
    shared = editor.add("Div", [gradient, below], f"{above}_shared")
    passed: list[str | None] = [None, None]
    if above in active:
        passed[0] = _gathered(editor, shared, node, above)
    if below in active:
        lost = editor.add("Neg", [editor.add("Mul", [shared, node.output[0]], below)], below)
        passed[1] = _gathered(editor, lost, node, below)
    return passed


def _sigmoid(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    chance, name = node.output[0], node.input[0]
    rest = editor.add("Sub", [editor.number(1.0), chance], f"{name}_rest")
    slope = editor.add("Mul", [chance, rest], f"{name}_slope")
    return [editor.add("Mul", [gradient, slope], f"{name}_sloped")]


def _concat(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if attributes_of(node)["axis"] != 1:
        raise _no_rule(node, "channels that are joined")
    lengths = [editor.lengths(name, 1)[0] for name in node.input]
    stems = [f"{name}_part" for name in node.input]
    parts = editor.add_many("Split", [gradient, editor.integers(*lengths)], stems, axis=1)
    return [part if name in active else None for name, part in zip(node.input, parts, strict=True)]


def _batch_normalization(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    if attributes.get("training_mode", 0):
        raise _no_rule(node, "a network exported for inference")
    scale, variance = (editor.constant_of(node, place).astype(np.float64) for place in (1, 4))
    slope = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    rank = len(editor.shape(node.input[0]))
    factor = editor.constant(slope.astype(np.float32).reshape(-1, *[1] * (rank - 2)))
    return [editor.add("Mul", [gradient, factor], f"{node.input[0]}_scaled")]


def _matmul(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if node.input[1] in active or len(editor.shape(node.input[1])) != 2:
        raise _no_rule(node, "a constant matrix as its second input")
    turned = editor.add("Transpose", [node.input[1]], f"{node.input[1]}_turned", perm=[1, 0])
    return [editor.add("MatMul", [gradient, turned], f"{node.input[0]}_back")]


def _passed_between(
    editor: GraphEditor, gradient: str, value: str, low: str | None, high: str | None
) -> str:
    """Pass a gradient where ``low < value < high``."""
    for operator, bound in (("Greater", low), ("Less", high)):
        if bound is not None:
            inside = editor.add(operator, [value, bound], f"{value}_inside")
            gradient = editor.add("Where", [inside, gradient, editor.number(0.0)], f"{value}_pass")
    return gradient


def _relu(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    # The output, not the input, is compared: so a Conv before it can still be fused with it.
    return [_passed_between(editor, gradient, node.output[0], editor.number(0.0), None)]


def _clip(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    low, high = (
        node.input[place] if len(node.input) > place and node.input[place] else None
        for place in (1, 2)
    )
    return [_passed_between(editor, gradient, node.input[0], low, high)]


def _conv(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    """Transpose the convolution: each place gives its gradient back to its whole window."""
    attributes = attributes_of(node)
    kernel = editor.lengths(node.input[1], 2)
    padded = attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    if any(name in active for name in node.input[1:]) or len(kernel) != 2 or padded:
        raise _no_rule(node, "constant weights over rows and columns, and pads in numbers")
    strides = list(attributes.get("strides", [1, 1]))
    dilations = list(attributes.get("dilations", [1, 1]))
    leading = list(attributes.get("pads", [0, 0, 0, 0]))[:2]
    before, after = editor.lengths(node.input[0], 2), editor.lengths(node.output[0], 2)
    over = [
        (after[axis] - 1) * strides[axis]
        + (kernel[axis] - 1) * dilations[axis]
        + 1
        - leading[axis]
        - before[axis]
        for axis in range(2)
    ]
    # Conv's weight (out, in / group, rows, columns) is just what ConvTranspose takes.
    back = editor.add(
        "ConvTranspose",
        [gradient, node.input[1]],
        f"{node.input[0]}_back",
        group=attributes.get("group", 1),
        kernel_shape=list(kernel),
        strides=strides,
        dilations=dilations,
        pads=[*leading, *(max(rest, 0) for rest in over)],
        # Rows that the strides left out at the far end get a gradient of zero.
        output_padding=[max(-rest, 0) for rest in over],
    )
    return [back]


def _max_pool(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    # A second pooling gives the places of the (first) maxima as indices into the flattened
    # input; asked of the first one, they would slow every run that wants no gradient.
    attributes = attributes_of(node) | {"storage_order": 0}
    stems = [f"{name}_maxima", f"{name}_places"]
    _, places = editor.add_many("MaxPool", [name], stems, **attributes)
    shape = editor.add("Shape", [name], f"{name}_shape")
    everything = editor.integers(-1)
    count = editor.add("Size", [name], f"{name}_count")
    length = editor.add("Reshape", [count, editor.integers(1)], f"{name}_length")
    zeros = editor.add("ConstantOfShape", [length], f"{name}_zeros")
    where = editor.add("Reshape", [places, everything], f"{name}_where")
    values = editor.add("Reshape", [gradient, everything], f"{name}_values")
    scattered = editor.add(
        "ScatterElements", [zeros, where, values], f"{name}_scattered", axis=0, reduction="add"
    )
    return [editor.add("Reshape", [scattered, shape], f"{name}_unpooled")]


def _repeated(editor: GraphEditor, value: str, times: Sequence[int]) -> str:
    scales = editor.constant(np.array([1, 1, *times], dtype=np.float32))
    return editor.add(
        "Resize",
        [value, "", scales],
        f"{value}_repeated",
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _average_pool(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    name, kernel = node.input[0], list(attributes["kernel_shape"])
    before, after = editor.lengths(name, 2), editor.lengths(node.output[0], 2)
    whole = [length * side for length, side in zip(after, kernel, strict=True)]
    if list(before) != whole or list(attributes.get("strides", [1, 1])) != kernel:
        raise _no_rule(node, "windows side by side that cover the whole map")
    share = editor.number(1.0 / float(np.prod(kernel)))
    return [_repeated(editor, editor.add("Mul", [gradient, share], f"{name}_shared"), kernel)]


def _mean(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    """GlobalAveragePool, and ReduceMean over rows and columns."""
    name = node.input[0]
    rank = len(editor.shape(name))
    if node.op_type == "ReduceMean":
        given = editor.constant_of(node, 1) if len(node.input) > 1 else np.arange(rank)
        if sorted(int(axis) % rank for axis in given) != [2, 3] or rank != 4:
            raise _no_rule(node, "the mean over rows and columns")
        if not attributes_of(node).get("keepdims", 1):
            axes = editor.integers(2, 3)
            gradient = editor.add("Unsqueeze", [gradient, axes], f"{name}_unsqueezed")
    share = editor.number(1.0 / float(np.prod(editor.lengths(name, 2))))
    shared = editor.add("Mul", [gradient, share], f"{name}_shared")
    shape = editor.add("Shape", [name], f"{name}_shape")
    return [editor.add("Expand", [shared, shape], f"{name}_expanded")]


def _resize(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    name = node.input[0]
    before, after = editor.lengths(name, 2), editor.lengths(node.output[0], 2)
    times = [long // short for long, short in zip(after, before, strict=True)]
    whole = [length * count for length, count in zip(before, times, strict=True)]
    repeats = (
        attributes.get("mode", "nearest"),
        attributes.get("coordinate_transformation_mode", "half_pixel"),
        attributes.get("nearest_mode", "round_prefer_floor"),
    ) == ("nearest", "asymmetric", "floor")
    if list(after) != whole or not repeats:
        raise _no_rule(node, "each place repeated a whole number of times")
    mean = editor.add(
        "AveragePool", [gradient], f"{name}_averaged", kernel_shape=times, strides=times
    )
    count = editor.number(float(np.prod(times)))
    return [editor.add("Mul", [mean, count], f"{name}_gathered"), None]


RULES: Mapping[str, Rule] = {
    "Add": _add,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Flatten": _flatten,
    "GlobalAveragePool": _mean,
    "Identity": _same,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mul": _mul,
    "ReduceMean": _mean,
    "Relu": _relu,
    "Resize": _resize,
    "Sigmoid": _sigmoid,
}
