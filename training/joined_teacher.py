"""What joined networks say of films without a readers' score: targets for networks to come.

Each network of a cross-validation learns from a teacher that saw none of the films it keeps
out: the fine-tuned network that kept the same part out, averaged with a ridge regression on the
frozen network's features of the other parts (self-training; Xie et al. 2020, arXiv 1911.04252).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import standardised_films
from training.config import TrainingConfig
from training.films import FilmArrays, folder_films
from training.heads import cross_validated_films, ridge_towards
from training.network import SeverityNetwork, pooled_features, severity_coefficients

__all__ = ["JoinedTeacher"]


class JoinedTeacher:
    """Networks of a cross-validation beside the frozen one that they began from.

    Parameters
    ----------
    members : sequence of SeverityNetwork
        The fine-tuned networks, in the order of the parts that they kept out.
    beside : SeverityNetwork
        The frozen one.
    share : float
        Weight of the regression on the frozen network's features.
    data : Path
        Data folder: the regressions are fitted to its scored films.
    config : TrainingConfig
        Of the networks that are taught: how films are kept and shown.
    """

    def __init__(
        self,
        members: Sequence[SeverityNetwork],
        beside: SeverityNetwork,
        share: float,
        data: Path,
        config: TrainingConfig,
    ) -> None:
        self._members = members
        self._beside = beside
        self._share = share
        self._size = config.size
        films, parts = cross_validated_films(data, len(self._members))
        targets = np.array([[film.extent, film.opacity_ralo] for film in films])
        arrays = folder_films(data, [film.name for film in films], config.stored)
        features = self._mirrored_features(self._shown(arrays))
        own = severity_coefficients([self._beside])[0].numpy().astype(np.float64)
        self._ridges = [
            ridge_towards(features[parts != part], targets[parts != part], own)
            for part in range(len(self._members))
        ]

    def _shown(self, films: FilmArrays) -> Tensor:
        shown = standardised_films(films, self._size)
        return shown.contiguous(memory_format=torch.channels_last)

    def _mirrored_features(self, shown: Tensor) -> NDArray[np.float64]:
        direct = pooled_features(self._beside, shown)
        return (direct + pooled_features(self._beside, shown.flip(3))) / 2

    def scores(self, films: FilmArrays) -> NDArray[np.float32]:
        """Return each part's extent and opacity (RALO) of n films, shape (parts, n, 2)."""
        shown = self._shown(films)
        frozen = self._mirrored_features(shown)
        told = []
        for network, (coefficients, offset) in zip(self._members, self._ridges, strict=True):
            weight, bias = (
                value.numpy().astype(np.float64) for value in severity_coefficients([network])
            )
            fine = pooled_features(network, shown) @ weight.T + bias
            ridge = frozen @ coefficients.T + offset
            told.append((1 - self._share) * fine + self._share * ridge)
        return np.stack(told).clip(0, 8).astype(np.float32)
