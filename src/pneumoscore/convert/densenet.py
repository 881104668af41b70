"""DenseNet-121 as an ONNX graph, built from a checkpoint's tensors.

The network is Huang et al. 2017, "Densely Connected Convolutional Networks" (arXiv 1608.06993),
table 1, DenseNet-121 with growth rate 32, bottleneck 4 and compression 0.5. Cohen et al. 2020
(arXiv 2005.11856, Methods) use it with one grey channel and 18 outputs. Parameters carry the
names that torchvision and torchxrayvision give them.

Needs the extra ``convert`` (onnx); no PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from pneumoscore.convert.graph import GraphBuilder
from pneumoscore.errors import ModelError

__all__ = ["BLOCKS", "FEATURE_WIDTH", "build_densenet121", "densenet121_state"]

BLOCKS = (6, 12, 24, 16)
FIRST_WIDTH = 64
FEATURE_WIDTH = 1024
# PyTorch's default for BatchNorm2d, which both sources of checkpoints keep.
EPSILON = 1e-5

Tensor = NDArray[np.float32]
OLD_LAYER_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def densenet121_state(tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of a plain DenseNet-121.

    A prefix that wraps the network (``module.``, ``model.``, ...) is taken off,
    torchvision's old layer names (``norm.1``) become the later ones (``norm1``), and a linear
    layer inside a container (``classifier.0``) becomes ``classifier``.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        A state dict.

    Returns
    -------
    dict of str to ndarray of float32
        ``features...`` and ``classifier...``.

    Raises
    ------
    ModelError
        If the tensors are not those of one DenseNet.
    """
    renamed = {OLD_LAYER_NAME.sub(r"\1\2", name): value for name, value in tensors.items()}
    anchor = "features.conv0.weight"
    prefixes = [name.removesuffix(anchor) for name in renamed if name.endswith(anchor)]
    if len(prefixes) != 1:
        raise ModelError(
            f"{len(prefixes)} of the checkpoint's {len(renamed)} tensors are called {anchor}",
            "a DenseNet-121 with the parameter names of torchvision or torchxrayvision",
        )
    state = {}
    for name, value in renamed.items():
        if name.startswith(prefixes[0]):
            plain = name.removeprefix(prefixes[0])
            plain = re.sub(r"^classifier\.\d+\.", "classifier.", plain)
            if plain.startswith(("features.", "classifier.")) and value.dtype.kind == "f":
                state[plain] = np.asarray(value, dtype=np.float32)
    return state


class _DenseNet(GraphBuilder):
    """The layers, each parameter checked against the shape it must have."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.state = state

    def parameter(self, name: str, shape: tuple[int, ...]) -> str:
        if name not in self.state:
            raise ModelError(f"the checkpoint has no tensor {name}", "a DenseNet-121")
        value = self.state[name]
        if value.shape != shape:
            raise ModelError(
                f"tensor {name} has shape {value.shape}", f"{shape}, as in DenseNet-121"
            )
        if not np.isfinite(value).all():
            raise ModelError(f"tensor {name} holds values that are not finite", "a whole file")
        return self.constant(value, name)

    def convolution(
        self, value: str, name: str, width: int, out: int, kernel: int, stride: int = 1
    ) -> str:
        weight = self.parameter(f"{name}.weight", (out, width, kernel, kernel))
        return self.add(
            "Conv",
            [value, weight],
            f"{name}.out",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )

    def normalised(self, value: str, name: str, width: int) -> str:
        """Batch normalisation with its running figures, then ReLU."""
        parts = ("weight", "bias", "running_mean", "running_var")
        parameters = [self.parameter(f"{name}.{part}", (width,)) for part in parts]
        out = self.add("BatchNormalization", [value, *parameters], f"{name}.out", epsilon=EPSILON)
        return self.add("Relu", [out], f"{name}.relu")

    def dense_layer(self, value: str, name: str, width: int) -> str:
        inner = self.normalised(value, f"{name}.norm1", width)
        inner = self.convolution(inner, f"{name}.conv1", width, 128, 1)
        inner = self.normalised(inner, f"{name}.norm2", 128)
        return self.convolution(inner, f"{name}.conv2", 128, 32, 3)

    def features(self, value: str, channels: int) -> str:
        value = self.convolution(value, "features.conv0", channels, FIRST_WIDTH, 7, 2)
        value = self.normalised(value, "features.norm0", FIRST_WIDTH)
        value = self.add(
            "MaxPool",
            [value],
            "features.pool0",
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=[1, 1, 1, 1],
        )
        width = FIRST_WIDTH
        for block, layers in enumerate(BLOCKS, start=1):
            for layer in range(1, layers + 1):
                name = f"features.denseblock{block}.denselayer{layer}"
                grown = self.dense_layer(value, name, width)
                value = self.add("Concat", [value, grown], f"{name}.out", axis=1)
                width += 32
            if block < len(BLOCKS):
                name = f"features.transition{block}"
                value = self.normalised(value, f"{name}.norm", width)
                width //= 2
                value = self.convolution(value, f"{name}.conv", width * 2, width, 1)
                value = self.add(
                    "AveragePool", [value], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2]
                )
        return self.normalised(value, "features.norm5", width)


def build_densenet121(state: Mapping[str, Tensor], *, size: int = 224) -> onnx.ModelProto:
    """Return DenseNet-121 with these parameters.

    ``features`` are pooled after the last ReLU, as ``features2`` of torchxrayvision;
    ``findings`` are raw logits.

    Parameters
    ----------
    state : mapping of str to ndarray of float32
        Parameters as `densenet121_state` gives them. Their first convolution has one channel
        or three.
    size : int
        Rows and columns of the film, a multiple of 32.

    Returns
    -------
    onnx.ModelProto
        With the input ``film``, (n, channels, size, size), and the outputs of a backbone.

    Raises
    ------
    ModelError
        If a parameter is missing or has another shape, or the size does not fit.
    """
    if size <= 0 or size % 32:
        raise ModelError(f"input size is {size}", "a multiple of 32")
    outputs = _outputs(state)
    channels = _channels(state)
    network = _DenseNet(state)
    feature_map = network.add("Identity", [network.features("film", channels)], "feature_map")
    pooled = network.add("GlobalAveragePool", [feature_map], "features.pooled")
    features = network.add("Flatten", [pooled], "features", axis=1)
    weight = network.parameter("classifier.weight", (outputs, FEATURE_WIDTH))
    bias = network.parameter("classifier.bias", (outputs,))
    network.add("Gemm", [features, weight, bias], "findings", transB=1)
    return network.model(
        "densenet121",
        {"film": (channels, size, size)},
        {
            "findings": (outputs,),
            "features": (FEATURE_WIDTH,),
            "feature_map": (FEATURE_WIDTH, size // 32, size // 32),
        },
    )


def _channels(state: Mapping[str, Tensor]) -> int:
    first = state.get("features.conv0.weight", np.zeros(0, dtype=np.float32))
    if first.ndim != 4 or first.shape[1] not in (1, 3):
        raise ModelError(
            f"the first convolution has shape {first.shape}", "(64, 1, 7, 7) or (64, 3, 7, 7)"
        )
    return int(first.shape[1])


def _outputs(state: Mapping[str, Tensor]) -> int:
    weight = state.get("classifier.weight", np.zeros(0, dtype=np.float32))
    if weight.ndim != 2 or weight.shape[0] == 0:
        raise ModelError(
            f"the classifier's weight has shape {weight.shape}", f"(outputs, {FEATURE_WIDTH})"
        )
    return int(weight.shape[0])
