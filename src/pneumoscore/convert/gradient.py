"""The gradient of a head with respect to the film, written into the network's own file.

ONNX Runtime has no automatic differentiation. At conversion time the nodes of the backward
pass are therefore added to the graph: reverse-mode differentiation of
``coefficients . features``, node by node, with the weights of the forward pass.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from pneumoscore.convert.gradient_rules import RULES
from pneumoscore.convert.graph import OPSET, GraphEditor
from pneumoscore.errors import ModelError

__all__ = ["add_input_gradient", "raise_opset"]


def raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of opset 18 or later, converted by onnx where it is older.

    Raises
    ------
    ModelError
        If onnx cannot convert it.
    """
    versions = [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("the network states no ONNX opset", "a valid ONNX model")
    if versions[0] >= OPSET:
        return model
    try:
        return onnx.version_converter.convert_version(model, OPSET)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"the network has opset {versions[0]} and cannot be converted ({error})",
            f"opset {OPSET} or later",
            "export it again with a later opset",
        ) from error


def add_input_gradient(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the gradient of ``coefficients . features`` as a further output.

    Parameters
    ----------
    model : onnx.ModelProto
        A network with input ``film`` (n, 1, size, size) and output ``features`` (n, width),
        whose lengths are fixed but for the batch.

    Returns
    -------
    onnx.ModelProto
        A copy with input ``coefficients`` (width,) and output ``input_gradient``
        (n, 1, size, size) (docs/architecture.md, "Files of a backbone").

    Raises
    ------
    ModelError
        If an operator between film and features has no rule, or the model does not fit.
    """
    editor = GraphEditor(raise_opset(model))
    graph = editor.graph
    if "film" not in {value.name for value in graph.input}:
        raise ModelError("the network has no input 'film'", "the names of docs/architecture.md")
    if "features" not in {value.name for value in graph.output}:
        raise ModelError(
            "the network has no output 'features'", "the names of docs/architecture.md"
        )
    if "coefficients" in {value.name for value in graph.input}:
        raise ModelError("the network has an input gradient already", "a network without one")
    active = _from_film(graph)
    path = _towards_features(graph, active)
    if "features" not in active:
        raise ModelError("the features do not depend on the film", "a network")

    width = editor.lengths("features", 1)
    shape = editor.add("Shape", ["features"], "features_shape")
    seed = editor.add("Expand", ["coefficients", shape], "features_gradient")
    gathered: dict[str, list[str]] = {"features": [seed]}
    for node in reversed(path):
        if any(name in gathered for name in node.output[1:]):
            raise ModelError(
                f"a second output of the {node.op_type} node {node.name!r} leads to the features",
                "a network whose nodes are used by their first output",
            )
        rule = RULES.get(node.op_type)
        if rule is None or node.domain not in ("", "ai.onnx"):
            raise ModelError(
                f"the operator {node.op_type} (node {node.name!r}) has no gradient rule",
                "one of " + ", ".join(sorted(RULES)),
                "store the network without its gradient, or write the layer otherwise",
            )
        gradient = _summed(editor, node.output[0], gathered.pop(node.output[0]))
        passed = rule(editor, node, gradient, active)
        for position, name in enumerate(node.input):
            if name not in active:
                continue
            part = passed[position] if position < len(passed) else None
            if part is None:
                raise ModelError(
                    f"input {position} of {node.op_type} node {node.name!r} depends on the film",
                    "a constant there",
                )
            gathered.setdefault(name, []).append(part)

    result = _summed(editor, "film", gathered["film"])
    graph.node.append(
        helper.make_node("Identity", [result], ["input_gradient"], name=editor.name("last"))
    )
    film = next(value for value in graph.input if value.name == "film")
    output = graph.output.add()
    output.CopyFrom(film)
    output.name = "input_gradient"
    graph.input.append(helper.make_tensor_value_info("coefficients", TensorProto.FLOAT, width))
    return editor.edited


def _from_film(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all values that depend on the film."""
    active = {"film"}
    for node in graph.node:
        # Shape and Size see no pixel value, so no gradient flows through them.
        if node.op_type not in ("Shape", "Size") and active.intersection(node.input):
            active.update(name for name in node.output if name)
    return active


def _towards_features(graph: onnx.GraphProto, active: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes through which the film reaches the features, in the graph's order."""
    needed = {"features"}
    path = []
    for node in reversed(graph.node):
        if needed.intersection(node.output) and active.intersection(node.input):
            path.append(node)
            needed.update(name for name in node.input if name in active)
    return path[::-1]


def _summed(editor: GraphEditor, name: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else editor.add("Sum", parts, f"{name}_gradient")
