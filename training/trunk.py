"""The trunk: EfficientNet-Lite (Tan and Le 2019), from a film to two maps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumoscore.errors import ModelError
from training.trunk_shape import TrunkShape, published_weights

__all__ = ["Convolution", "InvertedBlock", "Trunk", "folded"]

_EPSILON = 1e-3
_STEM = 32
# Blocks, channels, stride, kernel, expansion of each stage of the smallest shape.
_STAGES = (
    (1, 16, 1, 3, 1),
    (2, 24, 2, 3, 6),
    (2, 40, 2, 5, 6),
    (3, 80, 2, 3, 6),
    (3, 112, 1, 5, 6),
    (4, 192, 2, 5, 6),
    (1, 320, 1, 3, 6),
)
_FINE_STAGE = 4


class _Depthwise(nn.Conv2d):
    """One filter for each channel; trained in float32, many times faster than in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the convolution that equals `layer` followed by `norm`.

    Raises
    ------
    ModelError
        If the normalisation keeps no statistics.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ModelError("a batch normalisation has no running statistics", "a trained network")
    factor = norm.weight / torch.sqrt(variance + norm.eps)
    return layer.weight * factor.view(-1, 1, 1, 1), norm.bias - mean * factor


class Convolution(nn.Sequential):
    """A convolution padded as TensorFlow's "same", and its batch normalisation.

    Outside training both are computed as one convolution.

    Parameters
    ----------
    inputs, outputs : int
        Channels; equal for a depthwise convolution.
    kernel, stride : int, optional
        Of the convolution.
    depthwise : bool, optional
        One filter for each channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
    ) -> None:
        total = max(kernel - stride, 0)
        before = total // 2
        # TensorFlow puts the odd zero after; the rest is the convolution's own padding.
        self.odd = total - 2 * before
        super().__init__(
            _Depthwise(inputs, outputs, kernel, stride, before, groups=inputs, bias=False)
            if depthwise
            else nn.Conv2d(inputs, outputs, kernel, stride, before, bias=False),
            nn.BatchNorm2d(outputs, eps=_EPSILON),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run both."""
        if self.odd:
            x = F.pad(x, (0, self.odd, 0, self.odd))
        layer: Any = self[0]
        norm: Any = self[1]
        if self.training:
            return norm(layer(x))  # type: ignore[no-any-return]
        weight, bias = folded(layer, norm)
        return F.conv2d(x, weight, bias, layer.stride, layer.padding, 1, layer.groups)


class InvertedBlock(nn.Module):
    """Inverted bottleneck.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride : int
        Of the depthwise convolution.
    expansion : int
        How many times wider the block is inside.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel, stride, depthwise=True)
        self.project = Convolution(inner, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Run the block."""
        inner = x if self.expand is None else F.relu6(self.expand(x))
        y: Tensor = self.project(F.relu6(self.depthwise(inner)))
        return x + y if self.residual else y


def _channels(count: int, width: float) -> int:
    """Return the nearest multiple of 8, but no less than nine tenths of what is asked."""
    wanted = count * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class Trunk(nn.Module):
    """Film to maps of one sixteenth and one thirty-second of its size.

    The grey film stands for three equal channels, so the published filters of the stem are
    summed over them. First and last stage have one block at any depth.

    Parameters
    ----------
    shape : TrunkShape
        Size of the trunk.

    Attributes
    ----------
    fine_stage : int
        Stage that gives the finer map.
    fine_width, deep_width : int
        Channels of the two maps.
    """

    fine_stage = _FINE_STAGE

    def __init__(self, shape: TrunkShape) -> None:
        super().__init__()
        self.shape = shape
        self.stem = Convolution(1, _STEM, 3, 2)
        stages: list[nn.Module] = []
        widths: list[int] = []
        inputs = _STEM
        for count, channels, stride, kernel, expansion in _STAGES:
            outputs = _channels(channels, shape.width)
            blocks: list[nn.Module] = []
            for index in range(math.ceil(count * shape.depth) if count > 1 else 1):
                step = 1 if index else stride
                blocks.append(InvertedBlock(inputs, outputs, kernel, step, expansion))
                inputs = outputs
            stages.append(nn.Sequential(*blocks))
            widths.append(outputs)
        self.stages = nn.ModuleList(stages)
        self.fine_width, self.deep_width = widths[_FINE_STAGE], widths[-1]
        self._frozen = 0

    def _kept(self) -> list[nn.Module]:
        return [self.stem, *self.stages[: self._frozen]] if self._frozen else []

    def freeze(self, stages: int) -> None:
        """Hold the stem and the first `stages` stages as they are, statistics included."""
        self._frozen = stages
        for module in self._kept():
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Trunk:
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self._kept():
            module.eval()
        return self

    def before(self, film: Tensor) -> Tensor:
        """Return what the frozen stages give for films (n, 1, size, size)."""
        x: Tensor = F.relu6(self.stem(film))
        for stage in self.stages[: self._frozen]:
            x = stage(x)
        return x

    def after(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the fifth and the last stage, from what `before` gives.

        At most five stages may be frozen.
        """
        fine = x
        for index, stage in enumerate(self.stages):
            if index >= self._frozen:
                x = stage(x)
            if index == _FINE_STAGE:
                fine = x
        return fine, x

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the fifth and the last stage for films (n, 1, size, size)."""
        return self.after(self.before(film))

    def load_published(self) -> None:
        """Load the published ImageNet weights.

        Raises
        ------
        ModelError
            If their package is not installed, or its file is not the one known.
        """
        source = published_weights(self.shape)
        stem: Any = self.stem
        stem[0].weight.data.copy_(source["_conv_stem.weight"].sum(1, keepdim=True))
        _copy_norm(stem[1], source, "_bn0")
        blocks = [block for stage in self.stages for block in stage]  # type: ignore[attr-defined]
        for number, block in enumerate(blocks):
            prefix = f"_blocks.{number}."
            parts = (
                (block.expand, "_expand_conv", "_bn0"),
                (block.depthwise, "_depthwise_conv", "_bn1"),
                (block.project, "_project_conv", "_bn2"),
            )
            for part, layer, norm in parts:
                if part is not None:
                    part[0].weight.data.copy_(source[f"{prefix}{layer}.weight"])
                    _copy_norm(part[1], source, f"{prefix}{norm}")


def _copy_norm(norm: nn.BatchNorm2d, source: Mapping[str, Tensor], prefix: str) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(norm, name).data.copy_(source[f"{prefix}.{name}"])
