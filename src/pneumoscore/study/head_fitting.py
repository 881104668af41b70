"""One head fitted on labels, and what it is worth on patients it did not see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.checks import CohortError
from pneumoscore.severity.features import finding_inputs, select_features
from pneumoscore.severity.head import Head
from pneumoscore.severity.interval import fit_conformal
from pneumoscore.severity.scale import Scale
from pneumoscore.statistics.accuracy import mae, pearson
from pneumoscore.statistics.coverage import coverage, mean_width
from pneumoscore.study.features import CohortFeatures
from pneumoscore.study.ridge import (
    HeldOut,
    choose_strength,
    fit_ridge,
    out_of_fold_predictions,
)

__all__ = ["LEAST_FILMS", "LEAST_PATIENTS", "FittedHead", "fit_head"]

LEAST_FILMS = 30
LEAST_PATIENTS = 10
_LEVEL = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A head and what it is worth on patients it did not see.

    Attributes
    ----------
    head : Head
        Fitted on all films, with the residuals of the held-out ones.
    films, patients : int
        How many had a label.
    strength : float
        Of the ridge regression.
    out_of_fold : HeldOut
        Predictions on held-out patients.
    targets : ndarray of float64, shape (films,)
        Labels, in the order of the predictions.
    figures : dict of str to float
        ``mae``, ``mean_mae`` (of predicting the mean), ``pearson``, ``coverage`` (of the
        90 % interval, calibrated on the other folds) and ``width``; predictions clipped.
    """

    head: Head
    films: int
    patients: int
    strength: float
    out_of_fold: HeldOut
    targets: NDArray[np.float64]
    figures: dict[str, float]


def fit_head(
    features: CohortFeatures,
    targets: NDArray[np.float64],
    patients: Sequence[str],
    scale: Scale,
    feature_set: str,
    findings: Sequence[str],
) -> FittedHead:
    """Fit and cross-validate one head.

    Parameters
    ----------
    features : CohortFeatures
        Of n films.
    targets : ndarray of float64, shape (n,)
        Labels on `scale`; NaN for a film without one, which is left out.
    patients : sequence of str, length n
        Patient of each film.
    scale : Scale
        What the labels mean.
    feature_set : str
        One of `pneumoscore.severity.features.FEATURE_SETS`.
    findings : sequence of str
        The backbone's findings.

    Returns
    -------
    FittedHead

    Raises
    ------
    CohortError
        If there are too few labelled films or patients.
    ModelError
        If the backbone lacks a finding of the feature set.
    """
    names = finding_inputs(feature_set, findings)
    labelled = np.isfinite(targets)
    known = targets[labelled].astype(np.float64)
    people = [name for name, has in zip(patients, labelled, strict=True) if has]
    _require_enough(len(known), len(set(people)), scale.name)
    inputs = select_features(features.output(), feature_set, findings)[labelled]
    held_out = out_of_fold_predictions(inputs, known, people)
    strength = choose_strength(inputs, known, people)
    (fit,) = fit_ridge(inputs, known, [strength])
    interval = fit_conformal(held_out.predictions, known, people, scale)
    head = Head(scale, feature_set, fit.coefficients, fit.intercept, interval, names)
    figures = _figures(held_out, known, people, scale)
    return FittedHead(head, len(known), len(set(people)), strength, held_out, known, figures)


def _require_enough(films: int, patients: int, scale: str) -> None:
    if films < LEAST_FILMS or patients < LEAST_PATIENTS:
        raise CohortError(
            f"{films} films of {patients} patients have a label on {scale!r}",
            f"at least {LEAST_FILMS} films of {LEAST_PATIENTS} patients",
            "label more films, or leave the scale out",
        )


def _figures(
    held_out: HeldOut, targets: NDArray[np.float64], patients: Sequence[str], scale: Scale
) -> dict[str, float]:
    clipped = np.clip(held_out.predictions, scale.low, scale.high)
    low, high = np.empty_like(clipped), np.empty_like(clipped)
    people = np.asarray(patients)
    for index in range(int(held_out.folds.max()) + 1):
        here = held_out.folds == index
        interval = fit_conformal(clipped[~here], targets[~here], people[~here].tolist(), scale)
        for film in np.flatnonzero(here):
            low[film], high[film] = interval.bounds(float(clipped[film]), _LEVEL, scale)
    correlation = pearson(targets, clipped)
    return {
        "mae": mae(targets, clipped),
        "mean_mae": mae(targets, held_out.means),
        "pearson": 0.0 if math.isnan(correlation) else correlation,
        "coverage": coverage(targets, low, high),
        "width": mean_width(low, high),
    }
