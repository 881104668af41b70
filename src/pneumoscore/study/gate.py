"""Fitting the quality gate of a severity model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import PneumoScoreError
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.quality import REFUSING, QualityGate
from pneumoscore.severity.view import FRONTAL, VIEW_CLASSES, ViewClassifier
from pneumoscore.study.ridge import patient_folds

__all__ = ["FittedGate", "fit_familiarity", "fit_quality_gate", "fit_view_classifier"]

_STRENGTHS = (0.003, 0.03, 0.3)
_FOLDS = 5
_LEAST_FILMS = 20
_NEVER = -50.0  # a logit
_SUREST = 0.15  # that a film must be frontal, at most


@dataclass(frozen=True, slots=True, eq=False)
class FittedGate:
    """A quality gate and how it does on patients it did not see.

    Attributes
    ----------
    gate : QualityGate
        Fitted on all images.
    accepted : dict of str to float
        For each class, the share of held-out images that pass as frontal: wanted near 1
        for `FRONTAL` and near 0 for the others.
    named : dict of str to float
        For each class, the share of held-out images that get its own name.
    """

    gate: QualityGate
    accepted: dict[str, float]
    named: dict[str, float]


def fit_quality_gate(
    features: NDArray[np.floating],
    classes: Sequence[str],
    patients: Sequence[str],
    *,
    spreads: NDArray[np.floating] | None = None,
    familiar: NDArray[np.bool_] | None = None,
    lung_edges: NDArray[np.floating] | None = None,
    wrongly_refused: float = 0.005,
    wrongly_warned: float = 0.01,
    components: int = 64,
    refusing: tuple[str, ...] = REFUSING,
) -> FittedGate:
    """Fit classifier, familiarity and lung rule on the features of sorted images.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        Pooled features of n images.
    classes : sequence of str, length n
        Of `pneumoscore.severity.view.VIEW_CLASSES`; `FRONTAL` and at least one other.
    patients : sequence of str, length n
        Patient of each image; any name of its own for an image without one.
    spreads : ndarray, shape (n, k), optional
        Deviation of each feature over the places; the classifier then sees both
        (`pneumoscore.severity.view.view_inputs`).
    familiar : ndarray of bool, shape (n,), optional
        The films the model was fitted on, for ``outside_training``; default: all frontal.
    lung_edges : ndarray, shape (m,), optional
        `pneumoscore.severity.quality.lung_at_edge` of complete frontal films; without it
        ``lungs_cut_off`` is never raised.
    wrongly_refused : float, optional
        Share of held-out frontal films that the classifier may refuse.
    wrongly_warned : float, optional
        Share of held-out familiar, and of complete, films that may be warned of.
    components : int, optional
        Most principal components of the familiarity.
    refusing : tuple of str, optional
        Flags that refuse a score.

    Returns
    -------
    FittedGate

    Raises
    ------
    PneumoScoreError
        If a class is unknown, there are no frontal films and no others, or too few images
        or patients of one class.
    """
    table = np.asarray(features, dtype=np.float64)
    names = np.asarray(classes)
    is_frontal = names == FRONTAL
    inputs = table if spreads is None else np.concatenate([table, spreads], axis=1)
    view, chances = fit_view_classifier(inputs, classes, patients, wrongly_refused)
    mask = is_frontal if familiar is None else np.asarray(familiar, dtype=np.bool_)
    kept = [patient for patient, used in zip(patients, mask, strict=True) if used]
    familiarity = fit_familiarity(table[mask], kept, wrongly_warned, components)
    lung_limit = None
    if lung_edges is not None:
        lung_limit = float(np.quantile(lung_edges, 1 - wrongly_warned, method="higher"))
    gate = QualityGate(view, familiarity, lung_limit, refusing)
    accepted = view.frontal(chances) >= view.least_frontal
    guessed = np.array([name or FRONTAL for name in view.named(chances)])
    return FittedGate(
        gate,
        {name: float(accepted[names == name].mean()) for name in view.classes},
        {name: float((guessed == name)[names == name].mean()) for name in view.classes},
    )


def fit_view_classifier(
    features: NDArray[np.float64],
    classes: Sequence[str],
    patients: Sequence[str],
    wrongly_refused: float = 0.005,
) -> tuple[ViewClassifier, NDArray[np.float64]]:
    """Fit a multinomial logistic regression and its threshold.

    The strength is the best of a few by log loss on held-out patients; the threshold then
    lets all but `wrongly_refused` of the held-out frontal films pass, and is at most 0.15: kinds
    of frontal films that none of the images shows are less surely told.

    Parameters
    ----------
    features, classes, patients, wrongly_refused
        As in `fit_quality_gate`.

    Returns
    -------
    classifier : ViewClassifier
    chances : ndarray of float64, shape (n, classes)
        Probabilities of the images when held out, in the classifier's order of classes.

    Raises
    ------
    PneumoScoreError
        As in `fit_quality_gate`.
    """
    found = _known_classes(classes, patients)
    targets = np.array([found.index(name) for name in classes])
    folds = _balanced_folds(targets, patients)
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for strength in _STRENGTHS:
        chances = np.empty((len(targets), len(found)))
        for fold in range(int(folds.max()) + 1):
            held_out = folds == fold
            weights, offsets = _logistic(
                features[~held_out], targets[~held_out], len(found), strength
            )
            chances[held_out] = _softmax(features[held_out] @ weights.T + offsets)
        right = np.maximum(chances[np.arange(len(targets)), targets], 1e-12)
        loss = -float(np.mean([np.log(right[targets == k]).mean() for k in range(len(found))]))
        if best is None or loss < best[0]:
            best = (loss, strength, chances)
    assert best is not None  # there is at least one strength
    _, strength, chances = best
    weights, offsets = _logistic(features, targets, len(found), strength)
    view = ViewClassifier(found, weights.astype(np.float32), offsets.astype(np.float32), _SUREST)
    frontal = view.frontal(chances)[targets == found.index(FRONTAL)]
    least = min(_SUREST, float(np.quantile(frontal, wrongly_refused, method="lower")))
    return replace(view, least_frontal=least), chances


def fit_familiarity(
    features: NDArray[np.float64],
    patients: Sequence[str],
    wrongly_warned: float = 0.01,
    components: int = 64,
) -> Familiarity:
    """Fit what is usual among films, and how far a held-out usual film may lie.

    Parameters
    ----------
    features : ndarray, shape (n, k)
        Of the films the model was fitted on.
    patients : sequence of str, length n
        Patient of each.
    wrongly_warned : float, optional
        Share of held-out films that may lie beyond the threshold.
    components : int, optional
        Most principal components; fewer for few films or features.

    Raises
    ------
    PneumoScoreError
        If there are too few films or patients.
    """
    if len(features) < _LEAST_FILMS or len(set(patients)) < _FOLDS:
        raise PneumoScoreError(
            f"{len(features)} films of {len(set(patients))} patients",
            f"at least {_LEAST_FILMS} of {_FOLDS}, to know what is usual",
        )
    table = np.asarray(features, dtype=np.float64)
    folds = patient_folds(list(patients), _FOLDS)
    distances = np.empty(len(table))
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        usual = _principal(table[~held_out], components, math.inf)
        distances[held_out] = usual.distances(table[held_out])
    farthest = float(np.quantile(distances, 1 - wrongly_warned, method="higher"))
    return _principal(table, components, farthest)


def _principal(features: NDArray[np.float64], components: int, farthest: float) -> Familiarity:
    films, width = features.shape
    centre = features.mean(axis=0)
    _, singular, right = np.linalg.svd(features - centre, full_matrices=False)
    variances = singular**2 / max(films - 1, 1)
    # A component needs several films to be more than chance, and one direction must remain.
    count = max(1, min(components, films // 5, width - 1, int((variances > 1e-12).sum())))
    rest = variances[count:].sum() / max(width - count, 1)
    smallest = 1e-6 * max(float(variances[0]), 1e-12)
    spread = np.sqrt(np.maximum(variances[:count], smallest))
    return Familiarity(
        centre=centre.astype(np.float32),
        components=(right[:count] / spread[:, None]).astype(np.float32),
        directions=spread.astype(np.float32),
        remainder=float(np.sqrt(max(float(rest), smallest))),
        farthest=farthest,
    )


def _known_classes(classes: Sequence[str], patients: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(classes) - set(VIEW_CLASSES))
    if unknown:
        raise PneumoScoreError(
            f"images of the class {', '.join(unknown)}", "classes of " + ", ".join(VIEW_CLASSES)
        )
    found = tuple(name for name in VIEW_CLASSES if name in classes)
    if FRONTAL not in found or len(found) < 2:
        raise PneumoScoreError(
            f"images of the class {', '.join(found) or 'none'} only", f"{FRONTAL} and another class"
        )
    for name in found:
        people = {p for p, own in zip(patients, classes, strict=True) if own == name}
        if len(people) < _FOLDS:
            raise PneumoScoreError(
                f"images of the class {name} come from {len(people)} patients",
                f"at least {_FOLDS}",
            )
    return found


def _balanced_folds(targets: NDArray[np.int_], patients: Sequence[str]) -> NDArray[np.intp]:
    """Return folds by patient in which each class is spread over the folds."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.zeros(len(targets), dtype=np.intp)
    splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    for fold, (_, held_out) in enumerate(splitter.split(targets, targets, list(patients))):
        folds[held_out] = fold
    return folds


def _logistic(
    features: NDArray[np.float64], targets: NDArray[np.int_], classes: int, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit on standardised features; return coefficients and intercepts for plain ones."""
    from sklearn.linear_model import LogisticRegression

    centre, spread = features.mean(axis=0), features.std(axis=0)
    unit = np.where(spread > 1e-6 * np.maximum(1.0, np.abs(centre)), spread, 1.0)
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
    model.fit((features - centre) / unit, targets)
    weights, offsets = model.coef_, model.intercept_
    if len(weights) == 1:  # two classes are given as one logit
        weights, offsets = np.vstack([-weights, weights]) / 2, np.hstack([-offsets, offsets]) / 2
    # A class that one fold happens to lack cannot be named there.
    all_weights = np.zeros((classes, features.shape[1]))
    all_offsets = np.full(classes, _NEVER)
    all_weights[model.classes_], all_offsets[model.classes_] = weights, offsets
    plain = all_weights / unit
    return plain, all_offsets - plain @ centre


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)
