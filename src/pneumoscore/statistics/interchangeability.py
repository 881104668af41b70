"""Whether a model can stand in for a reader.

Source: Obuchowski, Subhas and Schoenhagen 2014, Testing for interchangeability of imaging
tests (Academic Radiology 21: 1483-1489): the individual equivalence index.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pneumoscore.statistics.bootstrap import Estimate, PatientBootstrap
from pneumoscore.statistics.icc import icc_agreement

__all__ = ["interchangeability"]


def _mean_of_pairs(values: Sequence[NDArray[np.float64]]) -> float:
    pooled = np.concatenate(values)
    pooled = pooled[np.isfinite(pooled)]
    return float(pooled.mean()) if len(pooled) else float("nan")


def _statistics(
    readers: NDArray[np.float64], model: NDArray[np.float64], tolerance: float
) -> dict[str, float]:
    count = readers.shape[1]
    between = [readers[:, j] - readers[:, k] for j, k in combinations(range(count), 2)]
    against = [model - readers[:, j] for j in range(count)]
    reader_squares = _mean_of_pairs([np.square(item) for item in between])
    model_squares = _mean_of_pairs([np.square(item) for item in against])

    def share_within(differences: list[NDArray[np.float64]]) -> float:
        pooled = np.concatenate(differences)
        pooled = pooled[np.isfinite(pooled)]
        return float((np.abs(pooled) <= tolerance).mean()) if len(pooled) else float("nan")

    replaced = []
    for j in range(count):
        changed = readers.copy()
        changed[:, j] = model
        replaced.append(_icc(changed))
    own = _icc(readers)
    return {
        "equivalence_index": model_squares - reader_squares,
        "rms_difference_readers": float(np.sqrt(reader_squares)),
        "rms_difference_model": float(np.sqrt(model_squares)),
        "within_tolerance_readers": share_within(between),
        "within_tolerance_model": share_within(against),
        "within_tolerance_change": share_within(against) - share_within(between),
        "icc_readers": own,
        "icc_with_model": float(np.mean(replaced)),
        "icc_change": float(np.mean(replaced)) - own,
    }


def _icc(values: NDArray[np.float64]) -> float:
    try:
        return icc_agreement(values)
    except ValueError:
        return float("nan")


def interchangeability(
    readers: NDArray[np.float64],
    model: NDArray[np.float64],
    patients: Sequence[str],
    tolerance: float = 1.0,
    repeats: int = 1000,
) -> dict[str, Estimate]:
    """Return what replacing a reader by the model changes.

    Parameters
    ----------
    readers : ndarray of float, shape (films, readers)
        Scores of at least two readers; NaN is missing.
    model : ndarray of float, shape (films,)
        The model's scores of the same films, on the same scale.
    patients : sequence of str
        Patient of each film, for the bootstrap.
    tolerance : float, optional
        Difference, in points of the scale, up to which two scores agree.
    repeats : int, optional
        Bootstrap draws.

    Returns
    -------
    dict of str to Estimate
        ``equivalence_index``: mean squared difference between model and reader minus that
        between readers; an interval that lies below a margin set beforehand speaks for
        interchangeability, 0 is no change. Also the root mean squared differences, the
        shares within the tolerance, and ICC(A,1) before and after each reader in turn is
        replaced.

    Raises
    ------
    ValueError
        With fewer than two readers.
    """
    if readers.ndim != 2 or readers.shape[1] < 2:
        raise ValueError(f"readers have shape {readers.shape}; expected at least two columns")
    return PatientBootstrap(patients, repeats).estimate(
        lambda draw: _statistics(readers[draw.index], model[draw.index], tolerance)
    )
