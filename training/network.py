"""The network: a trunk with one fused map, on which everything else is linear."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.trunk import Trunk

__all__ = [
    "SeverityNetwork",
    "SeverityOutput",
    "channels_last",
    "linear_layer",
    "lung_features",
    "pooled_features",
    "pooled_scores",
    "severity_coefficients",
]

SCALE_SPAN = 8.0
_Module = TypeVar("_Module", bound=nn.Module)


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
    classes : Tensor, shape (n, 4)
        Logits of an ordinal class above 1, 2, 3 and 4: a cumulative-link model (McCullagh 1980).
    """

    findings: Tensor
    lungs: Tensor
    contributions: Tensor
    features: Tensor
    feature_map: Tensor
    classes: Tensor


class SeverityNetwork(nn.Module):
    """Film to findings, lungs, contributions and features.

    Parameters
    ----------
    findings : int
        Number of finding logits.
    trunk : Trunk
        From film to maps.
    width : int, optional
        Channels of the fused map.
    """

    def __init__(self, findings: int, trunk: Trunk, width: int = 256) -> None:
        super().__init__()
        self.trunk = trunk
        self.deep = _convolution(trunk.deep_width, width)
        self.fine = _convolution(trunk.fine_width, width)
        self.fuse = _convolution(width, width, 3, width // 32)
        self.blend = _convolution(width, width)
        self.findings = nn.Linear(width, findings)
        self.lungs = nn.Conv2d(width, 2, 1)
        self.severity = nn.Conv2d(width, 2, 1)
        self.grade = nn.Linear(width, 1, bias=False)
        self.thresholds = nn.Parameter(torch.tensor([-1.5, 0.0, 0.0, 0.0]))
        nn.init.normal_(self.grade.weight, std=0.01)
        nn.init.normal_(self.severity.weight, std=0.01)
        if self.severity.bias is not None:
            nn.init.zeros_(self.severity.bias)

    def _fused(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the fused map, shape (n, width, map, map), one sixteenth of the film's size."""
        deep = F.interpolate(self.deep(coarse), scale_factor=2.0, mode="nearest")
        fused = F.relu(deep + self.fine(fine))
        fused = F.relu(self.fuse(fused))
        return F.relu(self.blend(fused))

    def forward(self, film: Tensor) -> SeverityOutput:
        """Run the network on standardised films, shape (n, 1, size, size)."""
        return self.after(self.trunk.before(film))

    def after(self, frozen: Tensor) -> SeverityOutput:
        """Run what follows the frozen stages on what they give (`Trunk.before`)."""
        feature_map = self._fused(*self.trunk.after(frozen))
        features = feature_map.mean((2, 3))
        # The score is the mean over places, so each place's share is that over their number.
        places = feature_map.shape[2] * feature_map.shape[3]
        return SeverityOutput(
            findings=self.findings(features),
            lungs=self.lungs(feature_map),
            contributions=self.severity(feature_map) * (SCALE_SPAN / places),
            features=features,
            feature_map=feature_map,
            # Thresholds ascend: the first, and steps of at least 0.
            classes=self.grade(features)
            - torch.cat([self.thresholds[:1], F.softplus(self.thresholds[1:])]).cumsum(0),
        )


def lung_features(output: SeverityOutput) -> Tensor:
    """Return the mean of the fused map over what the network takes for lung, (n, width)."""
    weight = output.lungs.sigmoid().sum(1, keepdim=True)
    return (output.feature_map * weight).sum((2, 3)) / weight.sum((2, 3))


def pooled_features(
    network: SeverityNetwork, shown: Tensor, at_once: int = 8
) -> NDArray[np.float64]:
    """Return the features of standardised films, shape (n, width), some films at a time.

    Parameters
    ----------
    network : SeverityNetwork
        In evaluation mode.
    shown : Tensor, shape (n, 1, size, size)
    at_once : int, optional
        Films in a batch.
    """
    with torch.no_grad():
        parts = [network(batch).features for batch in torch.split(shown, at_once)]
    return np.asarray(torch.cat(parts).numpy(), dtype=np.float64)


def _convolution(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


def channels_last(module: _Module) -> _Module:
    """Lay a module's convolution weights out as processors like them; returns the module."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return module


def severity_coefficients(network: SeverityNetwork) -> tuple[Tensor, Tensor]:
    """Return coefficients (2, width) and intercepts (2,) of the scores on pooled features."""
    weight, bias = linear_layer(network.severity)
    return weight * SCALE_SPAN, bias * SCALE_SPAN


def pooled_scores(network: SeverityNetwork, shown: Tensor) -> NDArray[np.float64]:
    """Return geographic extent and opacity (RALO) of standardised films, not clipped, (n, 2).

    `network` and `shown` are those of `pooled_features`.
    """
    weight, bias = (value.double().numpy() for value in severity_coefficients(network))
    return np.asarray(pooled_features(network, shown) @ weight.T + bias, dtype=np.float64)


def linear_layer(layer: nn.Linear | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return weight (outputs, inputs) and bias of a layer that is linear at each place."""
    if layer.bias is None:
        raise TypeError("the layers of a network have a bias")
    return layer.weight.detach().flatten(1), layer.bias.detach()
