"""Reverse-mode rules of the functions that work on each value apart.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx

from pneumoscore.convert.gradient_rules import Rule
from pneumoscore.convert.graph import GraphEditor, attributes_of
from pneumoscore.errors import ModelError

__all__ = ["FUNCTION_RULES"]


def _number(editor: GraphEditor, value: float) -> str:
    return editor.constant(np.array(value, dtype=np.float32))


def _relu(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    # The output, not the input, is compared: so a Conv before it can still be fused with it.
    zero = _number(editor, 0.0)
    positive = editor.add("Greater", [node.output[0], zero], f"{node.input[0]}_positive")
    return [editor.add("Where", [positive, gradient, zero], f"{node.input[0]}_passed")]


def _leaky(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    if node.op_type == "PRelu":
        slope = node.input[1]
        if slope in active:
            raise ModelError(f"the slope of PRelu node {node.name!r} varies", "a constant slope")
    else:
        slope = _number(editor, attributes_of(node).get("alpha", 0.01))
    positive = editor.add(
        "Greater", [node.input[0], _number(editor, 0.0)], f"{node.input[0]}_positive"
    )
    sloped = editor.add("Mul", [gradient, slope], f"{node.input[0]}_sloped")
    return [editor.add("Where", [positive, gradient, sloped], f"{node.input[0]}_passed"), None]


def _sigmoid(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    output = node.output[0]
    rest = editor.add("Sub", [_number(editor, 1.0), output], f"{output}_rest")
    slope = editor.add("Mul", [output, rest], f"{output}_slope")
    return [editor.add("Mul", [gradient, slope], f"{node.input[0]}_passed")]


def _tanh(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    output = node.output[0]
    square = editor.add("Mul", [output, output], f"{output}_square")
    slope = editor.add("Sub", [_number(editor, 1.0), square], f"{output}_slope")
    return [editor.add("Mul", [gradient, slope], f"{node.input[0]}_passed")]


def _exp(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    return [editor.add("Mul", [gradient, node.output[0]], f"{node.input[0]}_passed")]


def _erf(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    square = editor.add("Mul", [name, name], f"{name}_square")
    bell = editor.add("Exp", [editor.add("Neg", [square], f"{name}_minus")], f"{name}_bell")
    slope = editor.add("Mul", [bell, _number(editor, 2.0 / np.sqrt(np.pi))], f"{name}_slope")
    return [editor.add("Mul", [gradient, slope], f"{name}_passed")]


def _between(
    editor: GraphEditor, gradient: str, value: str, low: str | None, high: str | None
) -> str:
    """Pass a gradient where ``low < value < high``."""
    zero = _number(editor, 0.0)
    for operator, bound in (("Greater", low), ("Less", high)):
        if bound is not None:
            inside = editor.add(operator, [value, bound], f"{value}_inside")
            gradient = editor.add("Where", [inside, gradient, zero], f"{value}_passed")
    return gradient


def _clip(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    low, high = (
        node.input[position] if len(node.input) > position and node.input[position] else None
        for position in (1, 2)
    )
    return [_between(editor, gradient, node.input[0], low, high)]


def _hard_sigmoid(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    alpha = _number(editor, attributes_of(node).get("alpha", 0.2))
    sloped = editor.add("Mul", [gradient, alpha], f"{node.input[0]}_sloped")
    ends = _number(editor, 0.0), _number(editor, 1.0)
    return [_between(editor, sloped, node.output[0], *ends)]


def _hard_swish(
    editor: GraphEditor, node: onnx.NodeProto, gradient: str, active: Collection[str]
) -> list[str | None]:
    name = node.input[0]
    third = editor.add("Mul", [name, _number(editor, 1.0 / 3.0)], f"{name}_third")
    slope = editor.add("Add", [third, _number(editor, 0.5)], f"{name}_slope")
    curved = editor.add("Mul", [gradient, slope], f"{name}_curved")
    below = editor.add("Less", [name, _number(editor, 3.0)], f"{name}_below")
    upper = editor.add("Where", [below, curved, gradient], f"{name}_upper")
    return [_between(editor, upper, name, _number(editor, -3.0), None)]


FUNCTION_RULES: Mapping[str, Rule] = {
    "Clip": _clip,
    "Erf": _erf,
    "Exp": _exp,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky,
    "PRelu": _leaky,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Tanh": _tanh,
}
