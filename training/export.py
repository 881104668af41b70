"""A trained network as an ONNX graph, batch normalisation folded into its convolutions.

Written out layer by layer: PyTorch's own export makes padding and shapes that have no gradient
rule of the odd convolutions, and more than twice as many nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumoscore.convert.graph import GraphBuilder
from training.lungs import LungNet
from training.network import SeverityNetwork, linear_layer
from training.trunk import Convolution, InvertedBlock, Trunk, folded

__all__ = ["findings_layer", "lungs_to_onnx", "to_onnx"]


class _Graph(GraphBuilder):
    """The graph of a network made here; layers that networks share are there once."""

    def weight(self, values: NDArray[Any] | Tensor) -> str:
        """Return the name of a constant."""
        array = values.detach().numpy() if isinstance(values, Tensor) else values
        # A mean of weights makes 0.0 of -0.0; as bytes they differ, and nothing would be shared.
        array = array + 0 if array.dtype.kind == "f" else array
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
    return graph.add("Relu", [_normalised(graph, fused, network.blend)])


def _in_the_lungs(graph: _Graph, network: SeverityNetwork, feature_map: str) -> str:
    """Weigh places by what the network takes for lung; the mean over places is then the lungs'."""
    weight, bias = (graph.weight(value) for value in _at_places(network.lungs))
    both = graph.weight(np.ones((1, 2, 1, 1), dtype=np.float32))
    logits = graph.add("Conv", [feature_map, weight, bias])
    lung = graph.add("Conv", [graph.add("Sigmoid", [logits]), both])
    share = graph.add("Div", [lung, graph.add("GlobalAveragePool", [lung])])
    return graph.add("Mul", [feature_map, share])


def _at_places(layer: nn.Conv2d) -> tuple[Tensor, Tensor]:
    weight, bias = linear_layer(layer)
    return weight[:, :, None, None], bias


def to_onnx(
    network: SeverityNetwork,
    size: int,
    *,
    mirrored: bool,
    beside: SeverityNetwork | None = None,
) -> onnx.ModelProto:
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
    beside : SeverityNetwork, optional
        One whose map stands behind the network's, and a second time weighed by what it takes
        for lung. Frozen stages that both share are computed once. The
        findings are then its own, and the lungs the mean of both networks' logits.
    """
    graph = _Graph()
    maps = [_seen(graph, network, size, mirrored)]
    lungs = [_at_places(network.lungs)]
    if beside is not None:
        own = _seen(graph, beside, size, mirrored)
        maps += [own, _in_the_lungs(graph, beside, own)]
        lungs.append(_at_places(beside.lungs))
    feature_map = graph.add("Concat", maps, "feature_map", axis=1)
    axes = graph.weight(np.array([2, 3], dtype=np.int64))
    features = graph.add("ReduceMean", [feature_map, axes], "features", keepdims=0)
    weight, bias = findings_layer(network, beside)
    graph.add("Gemm", [features, graph.weight(weight), graph.weight(bias)], "findings", transB=1)
    parts = [value / len(lungs) for value, _ in lungs]
    if beside is not None:
        parts.append(torch.zeros_like(parts[-1]))
    offset = torch.stack([value for _, value in lungs]).mean(0)
    logits = graph.add(
        "Conv", [feature_map, graph.weight(torch.cat(parts, 1)), graph.weight(offset)]
    )
    graph.add("Sigmoid", [logits], "lungs")
    count, width = weight.shape
    side = size // 16
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


def findings_layer(
    network: SeverityNetwork, beside: SeverityNetwork | None
) -> tuple[Tensor, Tensor]:
    """Return weight (findings, width) and bias of the findings on what `to_onnx` gives."""
    if beside is None:
        return linear_layer(network.findings)
    weight, bias = linear_layer(beside.findings)
    before = torch.zeros(len(weight), network.findings.in_features)
    return torch.cat([before, weight, torch.zeros_like(weight)], 1), bias


def _seen(graph: _Graph, network: SeverityNetwork, size: int, mirrored: bool) -> str:
    direct = _feature_map(graph, network, "film")
    if not mirrored:
        return direct
    turned = _feature_map(graph, network, _mirror(graph, "film", size))
    both = graph.add("Add", [direct, _mirror(graph, turned, size // 16)])
    return graph.add("Mul", [both, graph.number(0.5)])


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
