"""The network: a RegNetX trunk with one fused map, on which everything else is linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "NetworkShape",
    "SeverityNetwork",
    "SeverityOutput",
    "channels_last",
    "severity_coefficients",
]

SCALE_SPAN = 8.0
_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Widths and depths of the network.

    Attributes
    ----------
    stem : int
        Channels after the first convolution.
    widths, depths : tuple of int
        Of the four stages; the defaults are RegNetX-400MF (Radosavovic et al. 2020, table 5).
    group_width : int
        Channels of one convolution group.
    feature_width : int
        Channels of the fused map.
    """

    stem: int = 32
    widths: tuple[int, ...] = (32, 64, 160, 400)
    depths: tuple[int, ...] = (1, 2, 7, 12)
    group_width: int = 16
    feature_width: int = 256


class SeverityOutput(NamedTuple):
    """What the network gives for n films.

    Attributes
    ----------
    findings : Tensor, shape (n, findings)
        Raw logits.
    lungs : Tensor, shape (n, 2, map, map)
        Logits of the lung on the image's left, and on its right.
    contributions : Tensor, shape (n, 2, map, map)
        Geographic extent and opacity (RALO) at each place; each sums to the score.
    features : Tensor, shape (n, width)
        Mean of the fused map.
    feature_map : Tensor, shape (n, width, map, map)
    """

    findings: Tensor
    lungs: Tensor
    contributions: Tensor
    features: Tensor
    feature_map: Tensor


def _convolution(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, group_width: int) -> None:
        super().__init__()
        self.reduce = _convolution(inputs, outputs)
        self.spread = _convolution(outputs, outputs, 3, stride, outputs // group_width)
        last = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last.weight)
        self.project = nn.Sequential(nn.Conv2d(outputs, outputs, 1, bias=False), last)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.spread(F.relu(self.reduce(x))))
        return F.relu(self.project(inner) + self.shortcut(x))


class SeverityNetwork(nn.Module):
    """Film to findings, lungs, contributions and features.

    Parameters
    ----------
    findings : int
        Number of finding logits.
    shape : NetworkShape
        Widths and depths.
    """

    def __init__(self, findings: int, shape: NetworkShape | None = None) -> None:
        super().__init__()
        shape = shape or NetworkShape()
        self.stem = nn.Sequential(_convolution(1, shape.stem, 3, 2), nn.ReLU(inplace=True))
        stages: list[nn.Module] = []
        inputs = shape.stem
        for width, depth in zip(shape.widths, shape.depths, strict=True):
            blocks: list[nn.Module] = []
            for index in range(depth):
                blocks.append(_Block(inputs, width, 1 if index else 2, shape.group_width))
                inputs = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.deep = _convolution(shape.widths[-1], shape.feature_width)
        self.fine = _convolution(shape.widths[-2], shape.feature_width)
        self.fuse = _convolution(
            shape.feature_width, shape.feature_width, 3, 1, shape.feature_width // 32
        )
        self.blend = _convolution(shape.feature_width, shape.feature_width)
        self.findings = nn.Linear(shape.feature_width, findings)
        self.lungs = nn.Conv2d(shape.feature_width, 2, 1)
        self.severity = nn.Conv2d(shape.feature_width, 2, 1)
        nn.init.normal_(self.severity.weight, std=0.01)
        if self.severity.bias is not None:
            nn.init.zeros_(self.severity.bias)

    def feature_map(self, film: Tensor) -> Tensor:
        """Return the fused map, shape (n, width, map, map), one sixteenth of the film's size."""
        x = self.stem(film)
        fine = x
        for stage in self.stages:
            fine, x = x, stage(x)
        deep = F.interpolate(self.deep(x), scale_factor=2.0, mode="nearest")
        fused = F.relu(deep + self.fine(fine))
        fused = F.relu(self.fuse(fused))
        return F.relu(self.blend(fused))

    def forward(self, film: Tensor) -> SeverityOutput:
        """Run the network on standardised films, shape (n, 1, size, size)."""
        feature_map = self.feature_map(film)
        features = feature_map.mean((2, 3))
        # The score is the mean over places, so each place's share is that over their number.
        places = feature_map.shape[2] * feature_map.shape[3]
        return SeverityOutput(
            findings=self.findings(features),
            lungs=self.lungs(feature_map),
            contributions=self.severity(feature_map) * (SCALE_SPAN / places),
            features=features,
            feature_map=feature_map,
        )


def channels_last(module: _Module) -> _Module:
    """Lay a module's convolution weights out as processors like them; returns the module."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def severity_coefficients(network: SeverityNetwork) -> tuple[Tensor, Tensor]:
    """Return coefficients (2, width) and intercepts (2,) of the scores on pooled features."""
    weight = network.severity.weight.detach()[:, :, 0, 0] * SCALE_SPAN
    bias = network.severity.bias
    intercept = torch.zeros(2) if bias is None else bias.detach() * SCALE_SPAN
    return weight, intercept
