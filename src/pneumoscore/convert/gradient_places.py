"""Reverse-mode rules of the operators that mix places: convolution, pooling, resizing.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from pneumoscore.convert.gradient_rules import Rule
from pneumoscore.convert.graph import GraphEditor, attributes_of
from pneumoscore.errors import ModelError

__all__ = ["PLACE_RULES", "resize_matrix"]


def _window(
    editor: GraphEditor, node: onnx.NodeProto, kernel: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Return strides, dilations and leading pads of a sliding window over two dimensions."""
    attributes = attributes_of(node)
    if len(kernel) != 2:
        raise ModelError(
            f"the {node.op_type} node {node.name!r} has a window of {len(kernel)} dimensions",
            "rows and columns",
        )
    strides = list(attributes.get("strides", [1, 1]))
    dilations = list(attributes.get("dilations", [1, 1]))
    leading = list(attributes.get("pads", [0, 0, 0, 0]))[:2]
    auto_pad = attributes.get("auto_pad", "NOTSET")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        for axis in range(2):
            length = editor.lengths(node.input[0], 2)[axis]
            places = -(-length // strides[axis])
            span = (kernel[axis] - 1) * dilations[axis] + 1
            pads = max((places - 1) * strides[axis] + span - length, 0)
            leading[axis] = pads // 2 if auto_pad == "SAME_UPPER" else pads - pads // 2
    return strides, dilations, leading


def _spread(
    editor: GraphEditor,
    node: onnx.NodeProto,
    gradient: str,
    weight: str,
    group: int,
    kernel: Sequence[int],
) -> str:
    """Transpose a sliding window: each place gives its gradient back to its whole window."""
    strides, dilations, leading = _window(editor, node, kernel)
    before = editor.lengths(node.input[0], 2)
    after = editor.lengths(node.output[0], 2)
    trailing, extra = [], []
    for axis in range(2):
        reach = (after[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        over = reach - leading[axis] - before[axis]
        # Rows that the strides left out at the far end get a gradient of zero.
        trailing.append(max(over, 0))
        extra.append(max(-over, 0))
    return editor.add(
        "ConvTranspose",
        [gradient, weight],
        f"{node.input[0]}_spread",
        group=group,
        kernel_shape=list(kernel),
        strides=strides,
        dilations=dilations,
        pads=[*leading, *trailing],
        output_padding=extra,
    )


def _conv(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if any(name in active for name in node.input[1:]):
        raise ModelError(
            f"the weights of Conv node {node.name!r} come from the film", "constant weights"
        )
    # Conv's weight (out, in / group, rows, columns) is just what ConvTranspose takes.
    kernel = editor.lengths(node.input[1], 2)
    group = attributes_of(node).get("group", 1)
    return [_spread(editor, node, gradient, node.input[1], group, kernel)]


def _max_pool(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    # A second pooling gives the places of the (first) maxima as indices into the flattened
    # input; asked of the first one, they would slow every run that wants no gradient.
    attributes = attributes_of(node) | {"storage_order": 0}
    _, places = editor.add_many(
        "MaxPool", [name], [f"{name}_maxima", f"{name}_places"], **attributes
    )
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


def _average_pool(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    name = node.input[0]
    kernel = list(attributes["kernel_shape"])
    strides, dilations, leading = _window(editor, node, kernel)
    before, after = editor.lengths(name, 2), editor.lengths(node.output[0], 2)
    trailing = list(attributes.get("pads", [0, 0, 0, 0]))[2:]
    counts = []
    for axis in range(2):
        starts = np.arange(after[axis])[:, None] * strides[axis] - leading[axis]
        taps = starts + np.arange(kernel[axis])[None, :] * dilations[axis]
        if attributes.get("count_include_pad", 0):
            inside = taps < before[axis] + trailing[axis]
        else:
            inside = (taps >= 0) & (taps < before[axis])
        counts.append(inside.sum(axis=1))
    share = (1.0 / np.outer(*counts)).astype(np.float32)
    shared = editor.add("Mul", [gradient, editor.constant(share)], f"{name}_shared")
    whole = all(
        before[axis] == after[axis] * kernel[axis] and strides[axis] == kernel[axis]
        for axis in range(2)
    )
    if whole and leading == [0, 0] and dilations == [1, 1]:
        # Windows side by side: repeating the gradient is much faster than a transposed Conv.
        scales = editor.constant(np.array([1, 1, *kernel], dtype=np.float32))
        return [
            editor.add(
                "Resize",
                [shared, "", scales],
                f"{name}_repeated",
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        ]
    channels = editor.lengths(name, 1)[0]
    ones = editor.constant(np.ones((channels, 1, *kernel), dtype=np.float32))
    return [_spread(editor, node, shared, ones, channels, kernel)]


def _expanded(editor: GraphEditor, name: str, gradient: str, count: int) -> str:
    if count != 1:
        share = editor.constant(np.array(1.0 / count, dtype=np.float32))
        gradient = editor.add("Mul", [gradient, share], f"{name}_shared")
    shape = editor.add("Shape", [name], f"{name}_shape")
    return editor.add("Expand", [gradient, shape], f"{name}_expanded")


def _global_average_pool(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    count = int(np.prod(editor.lengths(node.input[0], 2)))
    return [_expanded(editor, node.input[0], gradient, count)]


def _reduce(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    name = node.input[0]
    rank = len(editor.shape(name))
    if len(node.input) > 1 and node.input[1]:
        axes = [int(axis) % rank for axis in editor.require_constant(node, 1)]
    elif attributes.get("noop_with_empty_axes", 0):
        return [gradient]
    else:
        axes = list(range(rank))
    if 0 in axes:
        raise ModelError(f"the {node.op_type} node {node.name!r} joins films", "one film a row")
    if not attributes.get("keepdims", 1):
        gradient = editor.add(
            "Unsqueeze", [gradient, editor.integers(*sorted(axes))], f"{name}_unsqueezed"
        )
    lengths = editor.lengths(name, 1)
    count = int(np.prod([lengths[axis - 1] for axis in axes]))
    return [_expanded(editor, name, gradient, count if node.op_type == "ReduceMean" else 1)]


def resize_matrix(
    length: int, places: int, scale: float, mode: str, transformation: str, nearest_mode: str
) -> NDArray[np.float32]:
    """Return a resize of one dimension as a matrix, shape (places, length).

    Parameters
    ----------
    length, places : int
        Positions before and after.
    scale : float
        Positions after for each position before.
    mode : {"linear", "nearest"}
        How values between positions are made.
    transformation : str
        ONNX Resize, attribute ``coordinate_transformation_mode``.
    nearest_mode : str
        ONNX Resize, attribute of that name.

    Raises
    ------
    ModelError
        If a mode has no rule.
    """
    after = np.arange(places, dtype=np.float64)
    if transformation == "half_pixel" or (transformation == "pytorch_half_pixel" and places > 1):
        source = (after + 0.5) / scale - 0.5
    elif transformation == "asymmetric":
        source = after / scale
    elif transformation == "align_corners" and places > 1:
        source = after * (length - 1) / (places - 1)
    elif transformation in ("pytorch_half_pixel", "align_corners"):
        source = np.zeros(1)
    else:
        raise ModelError(
            f"Resize with coordinates {transformation!r} has no gradient rule",
            "half_pixel, pytorch_half_pixel, align_corners or asymmetric",
        )
    matrix = np.zeros((places, length))
    if mode == "linear":
        lower = np.floor(source)
        share = source - lower
        parts = [(lower, 1.0 - share), (lower + 1.0, share)]
    else:
        rounding = {
            "floor": np.floor(source),
            "ceil": np.ceil(source),
            "round_prefer_floor": np.ceil(source - 0.5),
            "round_prefer_ceil": np.floor(source + 0.5),
        }
        parts = [(rounding[nearest_mode], np.ones(places))]
    for position, weight in parts:
        inside = np.clip(position, 0, length - 1).astype(np.int64)
        np.add.at(matrix, (np.arange(places), inside), weight)
    return matrix.astype(np.float32)


def _resize(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    name = node.input[0]
    mode = attributes.get("mode", "nearest")
    unsupported = attributes.get("antialias", 0) or "axes" in attributes
    if mode not in ("linear", "nearest") or unsupported or len(editor.shape(name)) != 4:
        raise ModelError(
            f"the Resize node {node.name!r} (mode {mode!r}) has no gradient rule",
            "linear or nearest over rows and columns, without antialiasing",
        )
    before, after = editor.lengths(name, 2), editor.lengths(node.output[0], 2)
    scales = [after[axis] / before[axis] for axis in range(2)]
    if len(node.input) > 2 and node.input[2]:
        given = editor.require_constant(node, 2)
        scales = [float(item) for item in given[2:]] if given.size == 4 else scales
    rows, columns = (
        resize_matrix(
            before[axis],
            after[axis],
            scales[axis],
            mode,
            attributes.get("coordinate_transformation_mode", "half_pixel"),
            attributes.get("nearest_mode", "round_prefer_floor"),
        )
        for axis in range(2)
    )
    # A resize is linear and works on rows and columns apart: back through two products.
    by_columns = editor.add("MatMul", [gradient, editor.constant(columns)], f"{name}_columns")
    return [editor.add("MatMul", [editor.constant(rows.T), by_columns], f"{name}_unsized"), None]


def _pad(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    rank = len(editor.shape(name))
    pads = editor.require_constant(node, 1)
    plain = attributes_of(node).get("mode", "constant") == "constant"
    if not plain or (pads < 0).any() or pads.size != 2 * rank or pads[0] or pads[rank]:
        raise ModelError(
            f"the Pad node {node.name!r} has no gradient rule", "rows and columns of a constant"
        )
    lengths = editor.lengths(name, 1)
    starts = editor.integers(*(int(pads[axis]) for axis in range(1, rank)))
    ends = editor.integers(*(int(pads[axis]) + lengths[axis - 1] for axis in range(1, rank)))
    axes = editor.integers(*range(1, rank))
    return [editor.add("Slice", [gradient, starts, ends, axes], f"{name}_unpadded")]


PLACE_RULES: Mapping[str, Rule] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "GlobalAveragePool": _global_average_pool,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "ReduceMean": _reduce,
    "ReduceSum": _reduce,
    "Resize": _resize,
}
