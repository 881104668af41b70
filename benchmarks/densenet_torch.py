"""DenseNet-121 in PyTorch, as the reference of `score_speed` (Huang et al. 2017, Table 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DenseNet121"]

GROWTH = 32
BLOCKS = (6, 12, 24, 16)
STEM_CHANNELS = 64


def normalised_convolution(
    inputs: int, outputs: int, kernel: int, padding: int = 0
) -> nn.Sequential:
    """Batch normalisation, ReLU, convolution."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False),
    )


class DenseBlock(nn.Module):
    """Layers that each see all the maps before them."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                normalised_convolution(channels + index * GROWTH, 4 * GROWTH, 1),
                normalised_convolution(4 * GROWTH, GROWTH, 3, padding=1),
            )
            for index in range(layers)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps with those of every layer appended."""
        for layer in self.layers:
            maps = torch.cat((maps, layer(maps)), dim=1)
        return maps


class DenseNet121(nn.Module):
    """Grey film to finding logits."""

    def __init__(self, findings: int = 18) -> None:
        super().__init__()
        parts: list[nn.Module] = [
            nn.Conv2d(1, STEM_CHANNELS, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        channels = STEM_CHANNELS
        for number, layers in enumerate(BLOCKS):
            parts.append(DenseBlock(channels, layers))
            channels += layers * GROWTH
            if number < len(BLOCKS) - 1:
                parts += [normalised_convolution(channels, channels // 2, 1), nn.AvgPool2d(2)]
                channels //= 2
        self.features = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(channels, findings)

    def forward(self, film: Tensor) -> Tensor:
        """Return the logits, shape (n, findings), of films, shape (n, 1, 224, 224)."""
        return self.classifier(self.features(film).mean(dim=(2, 3)))
