"""A trained network as an ONNX graph, batch normalisation folded into its convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.network import SeverityNetwork, joined_layers
from training.trunk import Convolution, InvertedBlock, Trunk, folded

__all__ = ["to_onnx"]

_OPSET = 18
_IR_VERSION = 8


class _Graph:
    """Nodes and weights of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._layers: dict[int, list[str]] = {}
        self._numbers: dict[float, str] = {}

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

    def number(self, value: float) -> str:
        """Return the name of a constant, the same each time it is asked for."""
        if value not in self._numbers:
            self._numbers[value] = self.weight(np.array(value, dtype=np.float32))
        return self._numbers[value]

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        name = output or f"value_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, inputs, [name], name=f"node_{len(self.nodes)}", **attributes)
        )
        return name


def _normalised(graph: _Graph, x: str, pair: nn.Sequential) -> str:
    """Add a convolution with the batch normalisation that follows it folded in."""
    layer, norm = pair[0], pair[1]
    if not isinstance(layer, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError("a convolution followed by batch normalisation is expected")
    weight, bias = folded(layer, norm)
    before = int(layer.padding[0])
    after = before + (pair.odd if isinstance(pair, Convolution) else 0)
    return graph.add(
        "Conv",
        [x, *graph.layer(layer, weight, bias)],
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[before, before, after, after],
        group=layer.groups,
    )


def _relu6(graph: _Graph, x: str) -> str:
    return graph.add("Clip", [x, graph.number(0.0), graph.number(6.0)])


def _inverted_block(graph: _Graph, x: str, block: InvertedBlock) -> str:
    inner = x if block.expand is None else _relu6(graph, _normalised(graph, x, block.expand))
    inner = _relu6(graph, _normalised(graph, inner, block.depthwise))
    inner = _normalised(graph, inner, block.project)
    return graph.add("Add", [inner, x]) if block.residual else inner


def _trunk(graph: _Graph, trunk: Trunk, film: str) -> tuple[str, str]:
    x = _relu6(graph, _normalised(graph, film, trunk.stem))
    maps = []
    for stage in trunk.stages:
        for block in stage:  # type: ignore[attr-defined]
            x = _inverted_block(graph, x, block)
        maps.append(x)
    return maps[trunk.fine_stage], x


def _mirror(graph: _Graph, x: str, width: int) -> str:
    """Swap left and right; as a matrix product, which has a gradient rule."""
    return graph.add("MatMul", [x, graph.weight(np.eye(width, dtype=np.float32)[::-1])])


def _feature_map(graph: _Graph, network: SeverityNetwork, film: str, output: str = "") -> str:
    fine, x = _trunk(graph, network.trunk, film)
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
    return graph.add("Relu", [_normalised(graph, fused, network.blend)], output)


def _steady_map(graph: _Graph, network: SeverityNetwork, size: int, output: str) -> str:
    """Add the feature map, averaged with that of the mirrored film, mirrored back."""
    direct = _feature_map(graph, network, "film")
    turned = _feature_map(graph, network, _mirror(graph, "film", size))
    both = graph.add("Add", [direct, _mirror(graph, turned, size // 16)])
    return graph.add("Mul", [both, graph.number(0.5)], output)


def to_onnx(
    networks: Sequence[SeverityNetwork], size: int, *, mirrored: bool = True
) -> onnx.ModelProto:
    """Return networks as one, with the inputs and outputs of a backbone (docs/architecture.md).

    Parameters
    ----------
    networks : sequence of SeverityNetwork
        Trained; their running statistics are folded into the convolutions. Their maps stand one
        behind the other in the feature map; findings and lungs are the means of their logits.
    size : int
        Rows and columns of the input.
    mirrored : bool, optional
        Average the feature map with that of the mirrored film, mirrored back: half as fast,
        steadier, and a mirrored film then gets the same score with its sides exchanged.
    """
    graph = _Graph()
    name = "feature_map"
    output = name if len(networks) == 1 else ""
    maps = [
        _steady_map(graph, network, size, output)
        if mirrored
        else _feature_map(graph, network, "film", output)
        for network in networks
    ]
    feature_map = maps[0] if output else graph.add("Concat", maps, name, axis=1)
    axes = graph.weight(np.array([2, 3], dtype=np.int64))
    features = graph.add("ReduceMean", [feature_map, axes], "features", keepdims=0)
    findings, findings_bias = joined_layers([network.findings for network in networks])
    graph.add(
        "Gemm",
        [features, graph.weight(findings), graph.weight(findings_bias)],
        "findings",
        transB=1,
    )
    lungs, lungs_bias = joined_layers([network.lungs for network in networks])
    logits = graph.add("Conv", [feature_map, graph.weight(lungs), graph.weight(lungs_bias)])
    graph.add("Sigmoid", [logits], "lungs")
    count, width = findings.shape
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
