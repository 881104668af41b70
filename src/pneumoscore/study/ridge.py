"""Ridge regression whose strength is chosen inside patient-grouped folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "STRENGTHS",
    "HeldOut",
    "LinearFit",
    "choose_strength",
    "fit_ridge",
    "out_of_fold_predictions",
    "patient_folds",
]

# Penalty for each film on standardised inputs: 1e-4 is nearly least squares.
STRENGTHS = tuple(float(10.0**power) for power in np.arange(-4.0, 2.01, 0.5))

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """A linear map in the units of its inputs.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (k,)
        One for each input; 0 for an input that does not vary.
    intercept : float
        Value at inputs of zero.
    """

    coefficients: Vector
    intercept: float

    def predict(self, inputs: Vector) -> Vector:
        """Return the predictions for inputs of shape (n, k)."""
        return np.asarray(inputs @ self.coefficients + self.intercept, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Predictions for each film by a fit that saw no film of its patient.

    Attributes
    ----------
    predictions : ndarray of float64, shape (n,)
        Not clipped.
    means : ndarray of float64, shape (n,)
        What predicting the mean of the fitted films gives.
    folds : ndarray of int, shape (n,)
        In which fold each film was held out.
    strengths : tuple of float
        Chosen in each fold.
    """

    predictions: Vector
    means: Vector
    folds: NDArray[np.intp]
    strengths: tuple[float, ...]


def patient_folds(patients: Sequence[str], folds: int) -> NDArray[np.intp]:
    """Return the fold of each film; a patient's films share one, the folds are of like size.

    Parameters
    ----------
    patients : sequence of str
        Patient of each film.
    folds : int
        At most; fewer if there are fewer patients.
    """
    from sklearn.model_selection import GroupKFold

    count = min(folds, len(set(patients)))
    fold = np.zeros(len(patients), dtype=np.intp)
    splitter = GroupKFold(count).split(np.zeros(len(patients)), groups=list(patients))
    for index, (_, held_out) in enumerate(splitter):
        fold[held_out] = index
    return fold


def fit_ridge(inputs: Vector, targets: Vector, strengths: Sequence[float]) -> list[LinearFit]:
    """Fit ridge regressions of several strengths at the price of one.

    Inputs are standardised for the fit; the penalty grows with the number of films, so that
    a strength means the same in a fold and on all films.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n, k)
        A feature set; k = 0 fits the mean.
    targets : ndarray of float64, shape (n,)
        Labels.
    strengths : sequence of float
        Penalties for each film, above 0.

    Returns
    -------
    list of LinearFit
        One for each strength.
    """
    mean = float(targets.mean())
    centre, spread = inputs.mean(axis=0), inputs.std(axis=0)
    # A column that does not vary has a spread of rounding errors only.
    varies = spread > 1e-9 * np.maximum(1.0, np.abs(centre))
    unit = np.where(varies, spread, 1.0)
    standard = np.where(varies, (inputs - centre) / unit, 0.0)
    left, singular, right = np.linalg.svd(standard, full_matrices=False)
    projected = left.T @ (targets - mean)
    fits = []
    for strength in strengths:
        shrunk = singular / (singular**2 + strength * len(targets)) * projected
        coefficients = (right.T @ shrunk) / unit
        fits.append(LinearFit(coefficients, mean - float(centre @ coefficients)))
    return fits


def choose_strength(
    inputs: Vector,
    targets: Vector,
    patients: Sequence[str],
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
) -> float:
    """Return the strength with the least squared error on held-out patients.

    Parameters
    ----------
    inputs, targets, patients
        As in `out_of_fold_predictions`.
    strengths : sequence of float, optional
        Candidates.
    folds : int, optional
        Of patients.
    """
    fold = patient_folds(patients, folds)
    errors = np.zeros(len(strengths))
    for index in range(int(fold.max()) + 1):
        held_out = fold == index
        fits = fit_ridge(inputs[~held_out], targets[~held_out], strengths)
        for position, fit in enumerate(fits):
            errors[position] += np.square(fit.predict(inputs[held_out]) - targets[held_out]).sum()
    return float(strengths[int(errors.argmin())])


def out_of_fold_predictions(
    inputs: Vector,
    targets: Vector,
    patients: Sequence[str],
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 10,
) -> HeldOut:
    """Predict each film by a ridge regression that saw no film of its patient.

    The strength is chosen anew inside each fold, so that no held-out film has a say in it.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n, k)
        A feature set.
    targets : ndarray of float64, shape (n,)
        Labels.
    patients : sequence of str, length n
        At least three different ones.
    strengths : sequence of float, optional
        Candidates.
    folds : int, optional
        Of patients.

    Returns
    -------
    HeldOut

    Raises
    ------
    ValueError
        If the lengths differ or there are fewer than three patients.
    """
    if not len(inputs) == len(targets) == len(patients):
        raise ValueError("inputs, targets and patients differ in length")
    if len(set(patients)) < 3:
        raise ValueError("fewer than three patients; expected enough to hold some out twice")
    fold = patient_folds(patients, folds)
    names = np.asarray(patients)
    predictions, means = np.empty(len(targets)), np.empty(len(targets))
    chosen = []
    for index in range(int(fold.max()) + 1):
        held_out = fold == index
        known, labels = inputs[~held_out], targets[~held_out]
        strength = choose_strength(known, labels, names[~held_out].tolist(), strengths)
        (fit,) = fit_ridge(known, labels, [strength])
        predictions[held_out] = fit.predict(inputs[held_out])
        means[held_out] = labels.mean()
        chosen.append(strength)
    return HeldOut(predictions, means, fold, tuple(chosen))
