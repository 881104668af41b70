"""A trained network as an ONNX graph, batch normalisation folded into its convolutions.

Written out layer by layer: PyTorch's own export makes padding and shapes that have no gradient
rule of the odd convolutions, and more than twice as many nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumoscore.convert.graph import GraphBuilder
from training.lungs import LungNet
from training.network import SeverityNetwork
from training.trunk import Convolution, InvertedBlock, Trunk, folded

__all__ = ["lungs_to_onnx", "to_onnx"]


class _Graph(GraphBuilder):
    """The graph of a network made here; its constants are there once."""

    def weight(self, values: NDArray[Any] | Tensor) -> str:
        """Return the name of a constant."""
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        return self.constant(array, "weight")

    def add(
        self, operator: str, inputs: Sequence[str], stem: str = "value", **attributes: object
    ) -> str:
        """Return the name of an operation's output; without a stem it is numbered."""
        return super().add(operator, inputs, stem, **attributes)


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
        [x, graph.weight(weight), graph.weight(bias)],
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


def _feature_map(graph: _Graph, network: SeverityNetwork, film: str, name: str = "value") -> str:
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
    return graph.add("Relu", [_normalised(graph, fused, network.blend)], name)


def to_onnx(network: SeverityNetwork, size: int, *, mirrored: bool) -> onnx.ModelProto:
    """Return a network with the inputs and outputs of a backbone (docs/architecture.md).

    Parameters
    ----------
    network : SeverityNetwork
        Trained; its running statistics are folded into the convolutions.
    size : int
        Rows and columns of the input.
    mirrored : bool
        Whether its map is averaged with that of the mirrored film, mirrored back: half as fast,
        steadier, and a mirrored film then gets the same score with its sides exchanged.
    """
    graph = _Graph()
    side = size // 16
    if mirrored:
        direct = _feature_map(graph, network, "film")
        turned = _feature_map(graph, network, _mirror(graph, "film", size))
        both = graph.add("Add", [direct, _mirror(graph, turned, side)])
        feature_map = graph.add("Mul", [both, graph.number(0.5)], "feature_map")
    else:
        feature_map = _feature_map(graph, network, "film", "feature_map")
    axes = graph.weight(np.array([2, 3], dtype=np.int64))
    features = graph.add("ReduceMean", [feature_map, axes], "features", keepdims=0)
    findings, lungs = network.findings, network.lungs
    if lungs.bias is None:
        raise TypeError("the lungs' layer has a bias")
    graph.add(
        "Gemm",
        [features, graph.weight(findings.weight), graph.weight(findings.bias)],
        "findings",
        transB=1,
    )
    logits = graph.add("Conv", [feature_map, graph.weight(lungs.weight), graph.weight(lungs.bias)])
    graph.add("Sigmoid", [logits], "lungs")
    count, width = findings.weight.shape
    return graph.model(
        "backbone",
        {"film": (1, size, size)},
        {
            "findings": (count,),
            "features": (width,),
            "feature_map": (width, side, side),
            "lungs": (2, side, side),
        },
    )


def _lung_block(graph: _Graph, x: str, block: nn.Sequential) -> str:
    for start in (0, 3):
        pair = nn.Sequential(block[start], block[start + 1])
        x = graph.add("Relu", [_normalised(graph, x, pair)])
    return x


def lungs_to_onnx(net: LungNet, size: int = 160) -> onnx.ModelProto:
    """Return the lung network: a standardised film (n, 1, size, size) to logits of lung."""
    graph = _Graph()
    x, kept = "film", []
    for level, block in enumerate(net.down):
        if level:
            x = graph.add("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
        x = _lung_block(graph, x, block)  # type: ignore[arg-type]
        kept.append(x)
    scales = graph.weight(np.array([1, 1, 2, 2], dtype=np.float32))
    for block, skip in zip(net.up, kept[-2::-1], strict=True):
        larger = graph.add(
            "Resize",
            [x, "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        x = _lung_block(graph, graph.add("Concat", [larger, skip], axis=1), block)  # type: ignore[arg-type]
    weight, bias = net.out.weight, net.out.bias
    if bias is None:
        raise TypeError("the lung network's last layer has a bias")
    graph.add("Conv", [x, graph.weight(weight), graph.weight(bias)], "lungs")
    return graph.model("lungs", {"film": (1, size, size)}, {"lungs": (1, size, size)})
