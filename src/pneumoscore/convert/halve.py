"""Weights stored at half precision, computed with at full precision.

Needs the extra ``convert`` (onnx).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pneumoscore.errors import ModelError

__all__ = ["store_weights_as_float16"]

# Vectors (normalisation, biases) stay as they are: small, and the gradient reads their values.
SMALLEST_HALVED = 4096


def store_weights_as_float16(
    model: onnx.ModelProto, smallest: int = SMALLEST_HALVED
) -> onnx.ModelProto:
    """Return the model with its large float32 weights stored as float16.

    Each such weight is followed by a Cast to float32, which ONNX Runtime computes once when it
    loads the file: the file is half as large, and the computation stays in float32.

    Parameters
    ----------
    model : onnx.ModelProto
        Left as it is.
    smallest : int, optional
        Fewest values of a weight that is stored so.

    Returns
    -------
    onnx.ModelProto
        A copy.

    Raises
    ------
    ModelError
        If a weight is too large for float16 (above 65504).
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    taken = {name for node in halved.graph.node for name in (*node.input, *node.output)}
    casts = []
    for tensor in halved.graph.initializer:
        count = int(np.prod(tensor.dims))
        if tensor.data_type != TensorProto.FLOAT or count < smallest:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ModelError(
                f"weight {tensor.name!r} reaches {np.abs(values).max():.3g}",
                "at most 65504, the end of float16",
                "store this network at full precision",
            )
        original = tensor.name
        stored = f"{original}_float16"
        while stored in taken:
            stored += "_"
        taken.add(stored)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            helper.make_node(
                "Cast", [stored], [original], name=f"{stored}_cast", to=TensorProto.FLOAT
            )
        )
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved
