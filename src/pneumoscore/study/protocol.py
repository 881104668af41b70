"""The paper's protocol on arrays: linear regression on frozen features, split by patient.

Source: Cohen et al. 2020 (arXiv 2005.11856), Methods, and the authors' notebook:
``GroupShuffleSplit`` 50/50 by patient, seeds 0 to 49, ``LinearRegression``, predictions not
clamped; mean and standard deviation over the splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.statistics.accuracy import mae, mse, pearson, r_squared

__all__ = ["METRICS", "SEEDS", "ProtocolResult", "run_protocol", "split_patients"]

SEEDS = tuple(range(50))
METRICS = ("pearson", "r_squared", "mae", "mse")


@dataclass(frozen=True, slots=True, eq=False)
class ProtocolResult:
    """Figures of one feature set and scale over all splits.

    Attributes
    ----------
    figures : dict of str to ndarray, shape (seeds,)
        Each of `METRICS` on the test half, by seed.
    predictions : ndarray of float, shape (films,)
        Mean prediction of each film over the splits that tested it; NaN if none did.
    """

    figures: dict[str, NDArray[np.float64]]
    predictions: NDArray[np.float64]

    def summary(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard deviation (n - 1) over the splits, by metric."""
        return {
            name: (float(values.mean()), float(values.std(ddof=1)))
            for name, values in self.figures.items()
        }


def split_patients(patients: Sequence[str], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the film indices of the fitted and the tested half of one split."""
    from sklearn.model_selection import GroupShuffleSplit

    splitter = GroupShuffleSplit(n_splits=1, train_size=0.5, test_size=0.5, random_state=seed)
    fitted, tested = next(splitter.split(np.zeros(len(patients)), groups=list(patients)))
    return fitted, tested


def run_protocol(
    inputs: NDArray[np.float64],
    labels: NDArray[np.float64],
    patients: Sequence[str],
    seeds: Sequence[int] = SEEDS,
) -> ProtocolResult:
    """Run the protocol for one feature set and one scale.

    Parameters
    ----------
    inputs : ndarray of float, shape (films, k)
        A feature set; k = 0 predicts the mean of the fitted half.
    labels : ndarray of float, shape (films,)
        On one scale, none missing.
    patients : sequence of str
        Patient of each film.
    seeds : sequence of int, optional
        One split each.

    Returns
    -------
    ProtocolResult
        Pearson's r of a constant prediction counts as 0, as in the paper.
    """
    from sklearn.linear_model import LinearRegression

    columns = inputs if inputs.shape[1] else np.zeros((len(labels), 1))
    figures = {name: np.empty(len(seeds)) for name in METRICS}
    total = np.zeros(len(labels))
    count = np.zeros(len(labels))
    for row, seed in enumerate(seeds):
        fitted, tested = split_patients(patients, seed)
        model = LinearRegression().fit(columns[fitted], labels[fitted])
        predicted = np.asarray(model.predict(columns[tested]), dtype=np.float64)
        total[tested] += predicted
        count[tested] += 1
        truth = labels[tested]
        figures["pearson"][row] = np.nan_to_num(pearson(truth, predicted))
        figures["r_squared"][row] = r_squared(truth, predicted)
        figures["mae"][row] = mae(truth, predicted)
        figures["mse"][row] = mse(truth, predicted)
    means = np.divide(total, count, out=np.full(len(labels), np.nan), where=count > 0)
    return ProtocolResult(figures, means)
