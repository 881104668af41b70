"""What joined networks say of films without a readers' score: targets for networks to come.

Each network of a cross-validation learns from a teacher that saw none of the films it keeps
out: the fine-tuned network that kept the same part out, averaged with a ridge regression on the
frozen network's features of the other parts (self-training; Xie et al. 2020, arXiv 1911.04252).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import standardised_films
from training.config import TrainingConfig
from training.films import FilmArrays, folder_films
from training.heads import cross_validated_films, ridge_towards
from training.network import (
    SeverityNetwork,
    lung_features,
    pooled_scores,
    severity_coefficients,
)
from training.told import Told

__all__ = ["JoinedTeacher", "TeacherNetworks"]

_AT_ONCE = 8
_TELLING = 1
"""Number of the way of telling: another one says something else by the same networks."""
_FAINTEST = 0.05  # points of the scale, at each place of a lung


@dataclass(frozen=True, slots=True, eq=False)
class TeacherNetworks:
    """Networks that teach; see `JoinedTeacher`.

    Attributes
    ----------
    members : sequence of SeverityNetwork
        Fine-tuned, in the order of the parts that they kept out.
    beside : SeverityNetwork
        The frozen one that they began from.
    places : sequence of SeverityNetwork
        What says where, in the same order; empty if nobody does.
    """

    members: Sequence[SeverityNetwork]
    beside: SeverityNetwork
    places: Sequence[SeverityNetwork] = ()


class JoinedTeacher:
    """Networks of a cross-validation beside the frozen one that they began from.

    Parameters
    ----------
    networks : TeacherNetworks
    data : Path
        Data folder: the regressions are fitted to its scored films.
    config : TrainingConfig
        Of the networks that are taught: how films are kept and shown, the weight of the
        regression, whether its features are those of the lungs alone, and whether the frozen
        network's findings are told.
    """

    def __init__(self, networks: TeacherNetworks, data: Path, config: TrainingConfig) -> None:
        self._networks = networks
        self._config = config
        films, parts = cross_validated_films(data, len(networks.members))
        targets = np.array([[film.extent, film.opacity_ralo] for film in films])
        arrays = folder_films(data, [film.name for film in films], config.stored)
        # What the regressions are fitted to; their last bits differ from run to run.
        fitted = (arrays.pixels, arrays.inside, targets, parts)
        self._fitted = hashlib.sha256(b"".join(values.tobytes() for values in fitted)).digest()
        features = self._beside(self._shown(arrays))[0]
        own = severity_coefficients(networks.beside)[0].numpy().astype(np.float64)
        self._ridges = [
            ridge_towards(features[parts != part], targets[parts != part], own)
            for part in range(len(networks.members))
        ]

    @property
    def identity(self) -> bytes:
        """What decides what is told: weights, scores, and how films are shown."""
        networks = self._networks
        digest = hashlib.sha256(self._fitted)
        for network in (*networks.members, networks.beside, *networks.places):
            for value in network.state_dict().values():
                digest.update(value.contiguous().numpy().tobytes())
        config = self._config
        how = (
            _TELLING,
            config.size,
            config.teacher_share,
            config.teacher_by_lungs,
            config.teacher_findings,
        )
        digest.update(repr(how).encode())
        return digest.digest()

    def _shown(self, films: FilmArrays) -> Tensor:
        shown = standardised_films(films, self._config.size)
        return shown.contiguous(memory_format=torch.channels_last)

    def _beside(self, shown: Tensor) -> tuple[NDArray[np.float64], Tensor]:
        """Return the frozen network's features and findings, those of the mirrored film too."""
        features, findings = [], []
        for films in torch.split(shown, _AT_ONCE):
            with torch.no_grad():
                seen = [self._networks.beside(film) for film in (films, films.flip(3))]
            pooled = [
                lung_features(output) if self._config.teacher_by_lungs else output.features
                for output in seen
            ]
            features.append((pooled[0] + pooled[1]) / 2)
            findings.append((seen[0].findings + seen[1].findings) / 2)
        return torch.cat(features).numpy().astype(np.float64), torch.cat(findings).sigmoid()

    def tell(self, films: FilmArrays) -> Told:
        """Return what each part's networks say of n films."""
        shown = self._shown(films)
        frozen, findings = self._beside(shown)
        share = self._config.teacher_share
        totals = []
        for network, (coefficients, offset) in zip(
            self._networks.members, self._ridges, strict=True
        ):
            fine = pooled_scores(network, shown)
            totals.append((1 - share) * fine + share * (frozen @ coefficients.T + offset))
        told = torch.from_numpy(np.stack(totals).clip(0, 8).astype(np.float32))
        kept = findings if self._config.teacher_findings else None
        if not self._networks.places:
            return Told(told, findings=kept)
        places = torch.stack([_lung_places(network, shown) for network in self._networks.places])
        return Told(told, _shared(told, places), places, kept)


def _lung_places(network: SeverityNetwork, shown: Tensor) -> Tensor:
    """Return where a network finds opacities in each lung, shape (n, 2, map, map)."""
    found = []
    for films in torch.split(shown, _AT_ONCE):
        with torch.no_grad():
            output = network(films)
        lungs = output.lungs.sigmoid()
        at_place = output.contributions.clamp(min=0).mean(1, keepdim=True)
        # A film without a mark shares its little evenly among its lungs.
        at_place = at_place * at_place.shape[-1] ** 2 + _FAINTEST * lungs.amax(1, keepdim=True)
        found.append(at_place * lungs / lungs.sum(1, keepdim=True).clamp(min=1e-3))
    return torch.cat(found)


def _shared(totals: Tensor, places: Tensor) -> Tensor:
    """Share totals (networks, n, 2) between the lungs as their places lie: (networks, n, 2, 2)."""
    within = places.sum((3, 4))
    share = within / within.sum(2, keepdim=True).clamp(min=1e-6)
    return (share[..., None] * totals[:, :, None]).clamp(max=4)
