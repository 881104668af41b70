"""Reverse-mode rules of arithmetic, linear layers and operators that only rearrange.

Each rule takes the editor, the node and the gradient of its first output, and returns the
gradients of its inputs, None where there is none to pass. The operators are those of the ONNX
operator specification (opset 18 and later), float32, batch first.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import onnx

from pneumoscore.convert.graph import GraphEditor, attributes_of
from pneumoscore.errors import ModelError

__all__ = ["ARITHMETIC_RULES", "Rule", "broadcast_back"]

Rule = Callable[[GraphEditor, onnx.NodeProto, str, Collection[str]], list[str | None]]


def broadcast_back(editor: GraphEditor, gradient: str, source: str, result: str) -> str:
    """Sum a gradient of `result` over the dimensions along which `source` was repeated."""
    before = (None, *editor.lengths(source, 1))
    after = editor.shape(result)
    missing = len(after) - len(before)
    repeated = list(range(missing)) + [
        missing + axis
        for axis, length in enumerate(before)
        if length == 1 and after[missing + axis] != 1
    ]
    if not repeated:
        return gradient
    summed = editor.add(
        "ReduceSum", [gradient, editor.integers(*repeated)], f"{source}_summed", keepdims=1
    )
    if not missing:
        return summed
    return editor.add("Squeeze", [summed, editor.integers(*range(missing))], f"{source}_squeezed")


def _same(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    return [gradient]


def _cast(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if attributes_of(node)["to"] != onnx.TensorProto.FLOAT:
        raise ModelError(
            f"the Cast node {node.name!r} leaves float32 between film and features",
            "a network that computes in float32",
        )
    return [gradient]


def _reshaped(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    shape = editor.add("Shape", [node.input[0]], f"{node.input[0]}_shape")
    return [editor.add("Reshape", [gradient, shape], f"{node.input[0]}_unshaped")]


def _transpose(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    rank = len(editor.shape(node.input[0]))
    order = attributes_of(node).get("perm", list(reversed(range(rank))))
    back = [int(axis) for axis in np.argsort(order)]
    return [editor.add("Transpose", [gradient], f"{node.input[0]}_transposed", perm=back)]


def _add(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    return [
        broadcast_back(editor, gradient, name, node.output[0]) if name in active else None
        for name in node.input
    ]


def _neg(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    return [editor.add("Neg", [gradient], f"{node.input[0]}_negated")]


def _sub(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    first, second = node.input
    passed: list[str | None] = [None, None]
    if first in active:
        passed[0] = broadcast_back(editor, gradient, first, node.output[0])
    if second in active:
        negated = editor.add("Neg", [gradient], f"{second}_negated")
        passed[1] = broadcast_back(editor, negated, second, node.output[0])
    return passed


def _mul(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    passed: list[str | None] = [None, None]
    for position in range(2):
        name, other = node.input[position], node.input[1 - position]
        if name in active:
            product = editor.add("Mul", [gradient, other], f"{name}_times")
            passed[position] = broadcast_back(editor, product, name, node.output[0])
    return passed


def _div(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    first, second = node.input
    passed: list[str | None] = [None, None]
    quotient = editor.add("Div", [gradient, second], f"{first}_divided")
    if first in active:
        passed[0] = broadcast_back(editor, quotient, first, node.output[0])
    if second in active:
        product = editor.add("Mul", [quotient, node.output[0]], f"{second}_times")
        negated = editor.add("Neg", [product], f"{second}_negated")
        passed[1] = broadcast_back(editor, negated, second, node.output[0])
    return passed


def _concat(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    axis = attributes_of(node)["axis"]
    axis += len(editor.shape(node.output[0])) if axis < 0 else 0
    if axis == 0:
        raise ModelError(f"the Concat node {node.name!r} joins films", "one film a row")
    lengths = [editor.lengths(name, 1)[axis - 1] for name in node.input]
    parts = editor.add_many(
        "Split",
        [gradient, editor.integers(*lengths)],
        [f"{name}_part" for name in node.input],
        axis=axis,
    )
    return [part if name in active else None for name, part in zip(node.input, parts, strict=True)]


def _batch_normalization(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    if attributes.get("training_mode", 0):
        raise ModelError(
            f"the BatchNormalization node {node.name!r} is in training mode",
            "a network exported for inference",
        )
    scale, variance = (
        editor.require_constant(node, position).astype(np.float64) for position in (1, 4)
    )
    slope = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    rank = len(editor.shape(node.input[0]))
    factor = editor.constant(slope.astype(np.float32).reshape(-1, *[1] * (rank - 2)))
    return [editor.add("Mul", [gradient, factor], f"{node.input[0]}_scaled")]


def _gemm(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    attributes = attributes_of(node)
    if attributes.get("transA", 0) or any(name in active for name in node.input[1:]):
        raise ModelError(
            f"the Gemm node {node.name!r} has more than its first input from the film",
            "a linear layer with constant weights",
        )
    back = editor.add(
        "Gemm",
        [gradient, node.input[1]],
        f"{node.input[0]}_back",
        alpha=attributes.get("alpha", 1.0),
        transB=1 - attributes.get("transB", 0),
    )
    return [back]


def _matmul(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if node.input[1] in active or len(editor.shape(node.input[1])) != 2:
        raise ModelError(
            f"the MatMul node {node.name!r} multiplies two values from the film",
            "a linear layer with a constant matrix",
        )
    turned = editor.add("Transpose", [node.input[1]], f"{node.input[1]}_turned", perm=[1, 0])
    return [editor.add("MatMul", [gradient, turned], f"{node.input[0]}_back")]


ARITHMETIC_RULES: Mapping[str, Rule] = {
    "Add": _add,
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Concat": _concat,
    "Div": _div,
    "Dropout": _same,
    "Flatten": _reshaped,
    "Gemm": _gemm,
    "Identity": _same,
    "MatMul": _matmul,
    "Mul": _mul,
    "Neg": _neg,
    "Reshape": _reshaped,
    "Squeeze": _reshaped,
    "Sub": _sub,
    "Sum": _add,
    "Transpose": _transpose,
    "Unsqueeze": _reshaped,
}
