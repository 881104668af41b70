"""A trained network as an ONNX graph, batch normalisation folded into its convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from pneumoscore.pretrain.network import SeverityNetwork

__all__ = ["to_onnx"]

_OPSET = 18
_IR_VERSION = 8


class _Graph:
    """Nodes and weights of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._layers: dict[int, list[str]] = {}

    def layer(self, layer: nn.Conv2d, weight: Tensor, bias: Tensor) -> list[str]:
        """Return the names of a layer's weights, the same each time the layer is used."""
        if id(layer) not in self._layers:
            self._layers[id(layer)] = [self.weight(weight), self.weight(bias)]
        return self._layers[id(layer)]

    def weight(self, values: NDArray[Any] | Tensor) -> str:
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        name = output or f"value_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, inputs, [name], name=f"node_{len(self.nodes)}", **attributes)
        )
        return name


def _convolve(graph: _Graph, x: str, layer: nn.Conv2d, weight: Tensor, bias: Tensor) -> str:
    return graph.add(
        "Conv",
        [x, *graph.layer(layer, weight, bias)],
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[int(p) for p in layer.padding] * 2,
        group=layer.groups,
    )


def _normalised(graph: _Graph, x: str, pair: nn.Sequential) -> str:
    """Add a convolution with the batch normalisation that follows it folded in."""
    layer, norm = pair[0], pair[1]
    if not isinstance(layer, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError("a convolution followed by batch normalisation is expected")
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("batch normalisation without running statistics cannot be folded")
    factor = norm.weight / torch.sqrt(variance + norm.eps)
    weight = layer.weight * factor.view(-1, 1, 1, 1)
    return _convolve(graph, x, layer, weight, norm.bias - mean * factor)


def _plain(graph: _Graph, x: str, layer: nn.Conv2d) -> str:
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    return _convolve(graph, x, layer, layer.weight, bias)


def _block(graph: _Graph, x: str, block: Any) -> str:
    inner = graph.add("Relu", [_normalised(graph, x, block.reduce)])
    inner = graph.add("Relu", [_normalised(graph, inner, block.spread)])
    inner = _normalised(graph, inner, block.project)
    same = isinstance(block.shortcut, nn.Identity)
    shortcut = x if same else _normalised(graph, x, block.shortcut)
    return graph.add("Relu", [graph.add("Add", [inner, shortcut])])


def _mirror(graph: _Graph, x: str, width: int) -> str:
    """Swap left and right; as a matrix product, which has a gradient rule."""
    return graph.add("MatMul", [x, graph.weight(np.eye(width, dtype=np.float32)[::-1])])


def _feature_map(graph: _Graph, network: SeverityNetwork, film: str) -> str:
    stem = network.stem[0]
    if not isinstance(stem, nn.Sequential):
        raise TypeError("a stem of convolution and normalisation is expected")
    x = graph.add("Relu", [_normalised(graph, film, stem)])
    fine = x
    for stage in network.stages:
        fine = x
        for block in stage:  # type: ignore[attr-defined]
            x = _block(graph, x, block)
    scales = graph.weight(np.array([1, 1, 2, 2], dtype=np.float32))
    deep = graph.add(
        "Resize",
        [_normalised(graph, x, network.deep), "", scales],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    fused = graph.add("Relu", [graph.add("Add", [deep, _normalised(graph, fine, network.fine)])])
    fused = graph.add("Relu", [_normalised(graph, fused, network.fuse)])
    return graph.add("Relu", [_normalised(graph, fused, network.blend)])


def to_onnx(network: SeverityNetwork, size: int, *, mirrored: bool = True) -> onnx.ModelProto:
    """Return the network with the inputs and outputs of a backbone (docs/architecture.md).

    Parameters
    ----------
    network : SeverityNetwork
        Trained; its running statistics are folded into the convolutions.
    size : int
        Rows and columns of the input.
    mirrored : bool, optional
        Average the feature map with that of the mirrored film, mirrored back: half as fast,
        steadier, and a mirrored film then gets the same score with its sides exchanged.
    """
    graph = _Graph()
    direct = _feature_map(graph, network, "film")
    if mirrored:
        turned = _feature_map(graph, network, _mirror(graph, "film", size))
        both = graph.add("Add", [direct, _mirror(graph, turned, size // 16)])
        half = graph.weight(np.array(0.5, dtype=np.float32))
        feature_map = graph.add("Mul", [both, half], "feature_map")
    else:
        feature_map = graph.add("Identity", [direct], "feature_map")
    axes = graph.weight(np.array([2, 3], dtype=np.int64))
    features = graph.add("ReduceMean", [feature_map, axes], "features", keepdims=0)
    graph.add(
        "Gemm",
        [features, graph.weight(network.findings.weight), graph.weight(network.findings.bias)],
        "findings",
        transB=1,
    )
    graph.add("Sigmoid", [_plain(graph, feature_map, network.lungs)], "lungs")
    width = network.findings.in_features
    count = network.findings.out_features
    side = size // 16

    def value(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "backbone",
            [value("film", 1, size, size)],
            [
                value("findings", count),
                value("features", width),
                value("feature_map", width, side, side),
                value("lungs", 2, side, side),
            ],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
