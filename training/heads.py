"""What scored films are told by: networks that kept them out, and regressions without them."""

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
from pneumoscore.radiograph.types import InputSpec
from pneumoscore.severity.quality import lung_at_edge
from training.network import SeverityNetwork, pooled_scores, severity_coefficients
from training.scored import ScoredFilm, folds_by_patient, scored_films

__all__ = [
    "JoinedHeads",
    "ScoredTable",
    "cross_validated_films",
    "fit_heads",
    "held_out_scores",
    "ridge_towards",
    "scored_features",
]

Matrix = NDArray[np.float64]
_STRENGTH = 100.0  # of the ridge, on standardised features


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


def held_out_scores(
    members: Sequence[SeverityNetwork],
    parts: NDArray[np.int64],
    data: Path,
    films: Sequence[ScoredFilm],
    spec: InputSpec,
) -> Matrix:
    """Return extent and opacity (RALO) of films by the network that kept each out, as in use.

    Parameters
    ----------
    members : sequence of SeverityNetwork
        One for each part.
    parts : ndarray of int64, shape (n,)
        Part of each film.
    data : Path
        Data folder.
    films : sequence of ScoredFilm
        n films.
    spec : InputSpec
        How they are shown.

    Returns
    -------
    ndarray of float64, shape (n, 2)
    """
    import torch

    scores = []
    for film, part in zip(films, parts, strict=True):
        shown = prepare_film(read_radiograph(data / film.name), spec).array
        scores.append(pooled_scores(members[part], torch.from_numpy(shown)[None])[0])
    return np.stack(scores)


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
    """

    coefficients: Matrix
    intercepts: NDArray[np.float64]
    held_out: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class ScoredTable:
    """What is known of n scored films.

    Attributes
    ----------
    targets : ndarray of float64, shape (n, 2)
        Readers' extent and opacity (RALO).
    parts : ndarray of int64, shape (n,)
        Part of the cross-validation of each film.
    fine_tuned : ndarray of float64, shape (n, 2)
        Scores by the network that kept each film out (`held_out_scores`).
    """

    targets: Matrix
    parts: NDArray[np.int64]
    fine_tuned: Matrix


def fit_heads(
    features: NDArray[np.float32],
    films: ScoredTable,
    network: SeverityNetwork,
    beside: SeverityNetwork,
    share: float,
) -> JoinedHeads:
    """Join the head of a fine-tuned network with a ridge on the frozen one's features.

    A film of part k is predicted by the network that kept part k out and by a ridge regression
    on the other parts. What is shipped has the mean of these networks' weights, so the residuals
    are those of what it was made of, each on patients it did not see. (CV+ of Barber et al. 2021
    would centre an interval on each network in turn; one interval around their mean is not it,
    and what it covers is measured.)

    Parameters
    ----------
    features : ndarray of float32, shape (n, 3 * width)
        Of `to_onnx` with a network beside: of the fine-tuned one first, and of the frozen one
        in the lungs alone last.
    films : ScoredTable
    network, beside : SeverityNetwork
        The fine-tuned network and the frozen one.
    share : float
        Weight of the ridge in the average, from 0 to 1.

    Returns
    -------
    JoinedHeads
    """
    weight, bias = (value.numpy().astype(np.float64) for value in severity_coefficients(network))
    own = severity_coefficients(beside)[0].numpy().astype(np.float64)
    last = features[:, -own.shape[1] :].astype(np.float64)
    frozen = np.zeros_like(films.targets)
    for part in np.unique(films.parts):
        chosen = films.parts == part
        ridge, offset = ridge_towards(last[~chosen], films.targets[~chosen], own)
        frozen[chosen] = last[chosen] @ ridge.T + offset
    ridge, offset = ridge_towards(last, films.targets, own)
    between = np.zeros((2, features.shape[1] - weight.shape[1] - own.shape[1]))
    return JoinedHeads(
        np.concatenate([weight * (1 - share), between, ridge * share], axis=1),
        bias * (1 - share) + offset * share,
        (1 - share) * films.fine_tuned + share * frozen,
    )
