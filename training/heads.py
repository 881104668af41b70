"""Heads of joined networks: fine-tuned ones of a cross-validation, and one that saw no score.

The features of all stand one behind the other, the frozen network's last. A film of part k is
predicted by the network that kept part k out and by a ridge regression on the frozen features
of the other parts; both are averaged. What is shipped averages all these networks, so the
residuals are its own networks', each on patients it did not see. (CV+ of Barber et al. 2021 would
centre an interval on each network in turn; one interval around their mean is not it, and what
it covers is measured.)
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.backbone.session import Backbone
from pneumoscore.files import write_atomically
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.quality import lung_at_edge
from training.network import SeverityNetwork, severity_coefficients
from training.scored import ScoredFilm, folds_by_patient, scored_films

__all__ = [
    "JoinedHeads",
    "cross_validated_films",
    "fit_heads",
    "ridge_towards",
    "scored_features",
]

Matrix = NDArray[np.float64]
_STRENGTH = 100.0  # of the ridge, on standardised features


@dataclass(frozen=True, slots=True, eq=False)
class JoinedHeads:
    """Linear heads on joined features, and what they say of films that they did not see.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (2, width)
        Of geographic extent and opacity (RALO).
    intercepts : ndarray of float64, shape (2,)
    held_out : ndarray of float64, shape (n, 2)
        Predictions for each film by what did not see its patient.
    fine_tuned, frozen : ndarray of float64, shape (n, 2)
        The same by the fine-tuned networks alone, and by the ridge alone.
    """

    coefficients: Matrix
    intercepts: NDArray[np.float64]
    held_out: Matrix
    fine_tuned: Matrix
    frozen: Matrix


def cross_validated_films(data: Path, folds: int) -> tuple[list[ScoredFilm], NDArray[np.int64]]:
    """Return the films of a cross-validation, and the part of each."""
    films = [film for film in scored_films(data) if film.name.startswith("scored/")]
    parts = folds_by_patient(films, folds)
    return films, np.array([parts[film.patient] for film in films], dtype=np.int64)


def scored_features(
    backbone: Backbone, data: Path, films: Sequence[ScoredFilm], kept: Path
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what scoring computes of films.

    Parameters
    ----------
    backbone : Backbone
    data : Path
        Data folder.
    films : sequence of ScoredFilm
        n films.
    kept : Path
        File that keeps the answer between runs; made if need be.

    Returns
    -------
    ndarray of float32, shape (n, width)
        Features.
    ndarray of float64, shape (n,)
        Lung at the films' edges (`pneumoscore.severity.quality.lung_at_edge`).
    """
    if not kept.is_file():
        features, edges = [], []
        for film in films:
            prepared = prepare_film(read_radiograph(data / film.name), backbone.record.input)
            output = backbone.run(prepared.array[None])
            features.append(output.features[0])
            lungs = np.zeros((2, 1, 1)) if output.lungs is None else output.lungs[0]
            edges.append(lung_at_edge(lungs, prepared.placement))
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, features=np.stack(features), edges=np.array(edges))
        write_atomically(kept, stream.getvalue())
    with np.load(kept, allow_pickle=False) as table:
        return table["features"], table["edges"]


def ridge_towards(
    features: Matrix, targets: Matrix, own: Matrix
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return coefficients (targets, width) and intercepts of a ridge regression.

    It is drawn towards a line through the network's own score, `own` (targets, width), which
    knows where opacities lie, rather than towards nothing.
    """
    from sklearn.linear_model import Ridge

    scores = features @ own.T
    slopes, offsets = np.array(
        [np.polyfit(scores[:, row], targets[:, row], 1) for row in range(targets.shape[1])]
    ).T
    centre, spread = features.mean(axis=0), features.std(axis=0)
    unit = np.where(spread > 1e-6, spread, 1.0)
    rest = targets - scores * slopes - offsets
    model = Ridge(alpha=_STRENGTH).fit((features - centre) / unit, rest)
    added = np.asarray(model.coef_, dtype=np.float64) / unit
    intercepts = model.intercept_ - added @ centre + offsets
    return own * slopes[:, None] + added, np.asarray(intercepts, dtype=np.float64)


def fit_heads(
    features: NDArray[np.float32],
    targets: Matrix,
    parts: NDArray[np.int64],
    members: Sequence[SeverityNetwork],
    beside: SeverityNetwork,
    frozen_share: float,
) -> JoinedHeads:
    """Join the heads of fine-tuned networks with a ridge on the frozen network's features.

    Parameters
    ----------
    features : ndarray of float32, shape (n, width)
        Of each member in the order of the parts it kept out, then of the frozen network.
    targets : ndarray of float64, shape (n, 2)
        Readers' extent and opacity (RALO).
    parts : ndarray of int64, shape (n,)
        Part of each film.
    members : sequence of SeverityNetwork
        One for each part.
    beside : SeverityNetwork
        The frozen network.
    frozen_share : float
        Weight of the ridge in the average, from 0 to 1.

    Returns
    -------
    JoinedHeads
    """
    table = features.astype(np.float64)
    width = table.shape[1] // (len(members) + 1)
    fine = np.zeros_like(targets)
    frozen = np.zeros_like(targets)
    coefficients = np.zeros((2, table.shape[1]))
    intercepts = np.zeros(2)
    last = table[:, len(members) * width :]
    own_map = severity_coefficients([beside])[0].numpy().astype(np.float64)
    for part, network in enumerate(members):
        own = slice(part * width, (part + 1) * width)
        weight, bias = (
            value.numpy().astype(np.float64) for value in severity_coefficients([network])
        )
        chosen = parts == part
        fine[chosen] = table[chosen, own] @ weight.T + bias
        ridge, offset = ridge_towards(last[~chosen], targets[~chosen], own_map)
        frozen[chosen] = last[chosen] @ ridge.T + offset
        coefficients[:, own] = weight * (1 - frozen_share) / len(members)
        intercepts += bias * (1 - frozen_share) / len(members)
    ridge, offset = ridge_towards(last, targets, own_map)
    coefficients[:, len(members) * width :] = ridge * frozen_share
    intercepts += offset * frozen_share
    held_out = (1 - frozen_share) * fine + frozen_share * frozen
    return JoinedHeads(coefficients, intercepts, held_out, fine, frozen)
