"""ONNX graphs under construction: names, constants, nodes, and the shapes of what stands.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from pneumoscore.errors import ModelError

__all__ = ["OPSET", "GraphBuilder", "GraphEditor", "attributes_of"]

OPSET = 18
# ONNX IR version of opset 18; the version that onnx writes by default is newer than some runtimes.
_IR_VERSION = 8


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes; texts as str."""
    values = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


class GraphBuilder:
    """Makes a graph, node by node.

    Equal constants, and equal operations on equal inputs, are there once: networks that share
    layers compute them once, and a layer used twice has its weights once.

    Attributes
    ----------
    graph : onnx.GraphProto
        The graph under construction.
    """

    def __init__(self) -> None:
        self.graph: Any = onnx.GraphProto()
        self._used: set[str] = set()
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._operations: dict[str, list[str]] = {}

    def name(self, stem: str) -> str:
        """Return a name that no value has yet: the stem itself where it is free."""
        candidate, number = stem, 0
        while candidate in self._used:
            number += 1
            candidate = f"{stem}_{number}"
        self._used.add(candidate)
        return candidate

    def add(self, operator: str, inputs: Sequence[str], stem: str, **attributes: object) -> str:
        """Return the name of an operation's output, adding the node where there is none yet."""
        return self.add_many(operator, inputs, [stem], **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], stems: Sequence[str], **attributes: object
    ) -> list[str]:
        """Return the names of all outputs of an operation, as `add`."""
        key = repr((operator, list(inputs), sorted(attributes.items()), len(stems)))
        if key not in self._operations:
            outputs = [self.name(stem) for stem in stems]
            self.graph.node.append(
                helper.make_node(
                    operator, list(inputs), outputs, name=f"{outputs[0]}/{operator}", **attributes
                )
            )
            self._operations[key] = outputs
        return self._operations[key]

    def constant(self, value: ArrayLike, stem: str = "constant") -> str:
        """Return the name of an initialiser with this value."""
        array = np.array(value, order="C")
        key = (array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in self._constants:
            name = self.name(stem)
            self.graph.initializer.append(numpy_helper.from_array(array, name))
            self._constants[key] = name
        return self._constants[key]

    def number(self, value: float) -> str:
        """Return the name of a single float32."""
        return self.constant(np.float32(value))

    def integers(self, *values: int) -> str:
        """Return the name of an int64 vector: a shape, axes."""
        return self.constant(np.array(values, dtype=np.int64))

    def model(
        self,
        name: str,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, Sequence[int]],
    ) -> onnx.ModelProto:
        """Return the finished network.

        Parameters
        ----------
        name : str
            Of the graph.
        inputs, outputs : mapping of str to sequence of int
            Names and shapes without the batch, which is free; all float32.
        """
        self.graph.name = name
        for values, shapes in ((self.graph.input, inputs), (self.graph.output, outputs)):
            values.extend(
                helper.make_tensor_value_info(key, TensorProto.FLOAT, ["n", *shape])
                for key, shape in shapes.items()
            )
        model = helper.make_model(
            self.graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="pneumoscore",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


class GraphEditor(GraphBuilder):
    """Adds nodes to a copy of a model.

    Parameters
    ----------
    model : onnx.ModelProto
        Left as it is; shapes are inferred on the copy.

    Attributes
    ----------
    edited : onnx.ModelProto
        The copy.

    Raises
    ------
    ModelError
        If shape inference finds the model inconsistent.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            raise ModelError(
                f"the network is inconsistent ({error})", "a valid ONNX model"
            ) from error
        self.edited: Any = onnx.ModelProto()
        self.edited.CopyFrom(model)
        self.graph = self.edited.graph
        self._stored = {tensor.name: tensor for tensor in self.graph.initializer}
        self._producers = {name: node for node in self.graph.node for name in node.output}
        graph = inferred.graph
        self._shapes = {
            value.name: _shape(value.type)
            for value in (*graph.input, *graph.output, *graph.value_info)
        }
        self._used |= {*self._shapes, *self._stored, *self._producers}

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Return the shape of a value; None stands for the batch or an unknown length.

        Raises
        ------
        ModelError
            If not even the number of dimensions is known.
        """
        if name in self._stored:
            return tuple(self._stored[name].dims)
        found = self._shapes.get(name)
        if found is None:
            raise ModelError(
                f"the shape of value {name!r} is unknown",
                "a network whose shapes follow from the input's",
                "export it with a fixed input size and only the batch free",
            )
        return found

    def lengths(self, name: str, first: int) -> tuple[int, ...]:
        """Return the lengths of the dimensions from `first` on, all of which must be known.

        Raises
        ------
        ModelError
            If one is not known.
        """
        lengths = tuple(item for item in self.shape(name)[first:] if item is not None)
        if len(lengths) != len(self.shape(name)[first:]):
            raise ModelError(
                f"value {name!r} has the shape {self.shape(name)}",
                "known lengths but for the batch",
                "export the network with a fixed input size",
            )
        return lengths

    def constant_of(self, node: onnx.NodeProto, position: int) -> NDArray[Any]:
        """Return the value of a node's input that is stored in the file.

        Raises
        ------
        ModelError
            If it is computed.
        """
        name = node.input[position]
        if name in self._stored:
            return np.asarray(numpy_helper.to_array(self._stored[name]))
        producer = self._producers.get(name)
        if producer is not None and producer.op_type == "Constant":
            value = attributes_of(producer)
            if "value" in value:
                return np.asarray(numpy_helper.to_array(value["value"]))
        raise ModelError(
            f"input {position} of the {node.op_type} node {node.name!r} is no constant",
            "a constant stored in the file",
            "fold constants when exporting the network",
        )


def _shape(kind: onnx.TypeProto) -> tuple[int | None, ...] | None:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(
        item.dim_value if item.HasField("dim_value") else None
        for item in kind.tensor_type.shape.dim
    )
