"""An ONNX graph under construction: names, shapes, constants and new nodes.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from pneumoscore.errors import ModelError

__all__ = ["GraphEditor", "attributes_of"]


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes; texts as str."""
    values = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


class GraphEditor:
    """Adds nodes to a copy of a model.

    Parameters
    ----------
    model : onnx.ModelProto
        Left as it is; shapes are inferred on the copy.

    Attributes
    ----------
    model : onnx.ModelProto
        The copy that is edited.

    Raises
    ------
    ModelError
        If shape inference finds the model inconsistent.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except (onnx.shape_inference.InferenceError, ValueError) as error:
            raise ModelError(
                f"the network is inconsistent ({error})", "a valid ONNX model"
            ) from error
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.opset = next(
            item.version for item in model.opset_import if item.domain in ("", "ai.onnx")
        )
        self._constants = {item.name: item for item in self.graph.initializer}
        self._producers = {
            output: node for node in self.graph.node for output in node.output if output
        }
        self._shapes = {
            value.name: _shape(value.type)
            for values in (inferred.graph.input, inferred.graph.output, inferred.graph.value_info)
            for value in values
        }
        self._used = set(self._shapes) | set(self._constants) | set(self._producers)
        self._shared: dict[tuple[str, bytes, tuple[int, ...]], str] = {}

    def name(self, stem: str) -> str:
        """Return a name that no value has yet."""
        candidate, number = stem, 0
        while candidate in self._used:
            number += 1
            candidate = f"{stem}_{number}"
        self._used.add(candidate)
        return candidate

    def add(self, operator: str, inputs: Sequence[str], stem: str, **attributes: object) -> str:
        """Append a node with one output and return the output's name."""
        return self.add_many(operator, inputs, [stem], **attributes)[0]

    def add_many(
        self, operator: str, inputs: Sequence[str], stems: Sequence[str], **attributes: object
    ) -> list[str]:
        """Append a node and return the names of its outputs; an empty stem leaves one out."""
        outputs = [self.name(stem) if stem else "" for stem in stems]
        node = helper.make_node(
            operator, list(inputs), outputs, name=self.name(f"{operator}_gradient"), **attributes
        )
        self.graph.node.append(node)
        return outputs

    def constant(self, value: NDArray[Any], stem: str = "gradient_constant") -> str:
        """Return the name of an initialiser with this value; equal values share one."""
        array = np.ascontiguousarray(value)
        key = (array.dtype.str, array.tobytes(), array.shape)
        if key not in self._shared:
            name = self.name(stem)
            self.graph.initializer.append(numpy_helper.from_array(array, name))
            self._shared[key] = name
        return self._shared[key]

    def integers(self, *values: int) -> str:
        """Return the name of an int64 vector: a shape, axes."""
        return self.constant(np.array(values, dtype=np.int64))

    def shape(self, name: str) -> tuple[int | None, ...]:
        """Return the shape of a value; None stands for the batch or an unknown length.

        Raises
        ------
        ModelError
            If not even the number of dimensions is known.
        """
        if name in self._constants:
            return tuple(self._constants[name].dims)
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

    def constant_value(self, name: str) -> NDArray[Any] | None:
        """Return the value of `name` if it is an initialiser or made from one by a Cast."""
        if name in self._constants:
            return np.asarray(numpy_helper.to_array(self._constants[name]))
        node = self._producers.get(name)
        if node is None:
            return None
        if node.op_type == "Constant":
            value = attributes_of(node)
            for key in ("value_float", "value_int", "value_floats", "value_ints"):
                if key in value:
                    kind = np.float32 if "float" in key else np.int64
                    return np.asarray(value[key], dtype=kind)
            return np.asarray(numpy_helper.to_array(value["value"])) if "value" in value else None
        if node.op_type in ("Cast", "Identity"):
            inner = self.constant_value(node.input[0])
            if inner is None or node.op_type == "Identity":
                return inner
            kind = helper.tensor_dtype_to_np_dtype(attributes_of(node)["to"])
            return inner.astype(kind)
        return None

    def require_constant(self, node: onnx.NodeProto, position: int) -> NDArray[Any]:
        """Return the constant value of a node's input.

        Raises
        ------
        ModelError
            If that input is computed from the film, or by an operator that is not followed.
        """
        value = self.constant_value(node.input[position])
        if value is None:
            raise ModelError(
                f"input {position} of the {node.op_type} node {node.name!r} is no constant",
                "a constant stored in the file",
                "fold constants when exporting the network",
            )
        return value


def _shape(kind: onnx.TypeProto) -> tuple[int | None, ...] | None:
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    return tuple(
        item.dim_value if item.HasField("dim_value") else None
        for item in kind.tensor_type.shape.dim
    )
