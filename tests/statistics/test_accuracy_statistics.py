import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics

from pneumoscore.statistics.accuracy import mae, mse, pearson, r_squared, rmse, spearman
from pneumoscore.statistics.bootstrap import Estimate, PatientBootstrap
from pneumoscore.statistics.calibration import calibration_curve, calibration_line
from pneumoscore.statistics.coverage import coverage, mean_width, score_bins
from pneumoscore.statistics.discrimination import auroc

_SCORES = arrays(np.float64, 25, elements=st.integers(0, 80).map(lambda value: value / 10))


@settings(deadline=None, max_examples=40)
@given(_SCORES, _SCORES)
def test_figures_are_those_of_scipy_and_scikit_learn(truth, predicted):
    assert mae(truth, predicted) == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    assert mse(truth, predicted) == pytest.approx(metrics.mean_squared_error(truth, predicted))
    assert rmse(truth, predicted) ** 2 == pytest.approx(mse(truth, predicted))
    if truth.std() > 0:
        assert r_squared(truth, predicted) == pytest.approx(metrics.r2_score(truth, predicted))
    if truth.std() > 0 and predicted.std() > 0:
        assert pearson(truth, predicted) == pytest.approx(
            stats.pearsonr(truth, predicted).statistic, abs=1e-9
        )
        assert spearman(truth, predicted) == pytest.approx(
            stats.spearmanr(truth, predicted).statistic, abs=1e-9
        )
    positive = truth >= 4
    if positive.any() and not positive.all():
        assert auroc(positive, predicted) == pytest.approx(
            metrics.roc_auc_score(positive, predicted)
        )


def test_undefined_figures_are_nan():
    flat, rising = np.full(4, 2.7), np.arange(4.0)
    assert math.isnan(pearson(flat, rising))
    assert math.isnan(pearson(rising, flat))
    assert math.isnan(spearman(rising, flat))
    assert math.isnan(r_squared(flat, rising))
    assert math.isnan(auroc(np.zeros(4, bool), rising))
    assert math.isnan(calibration_line(rising, flat)[0])
    assert math.isnan(coverage(flat[:0], flat[:0], flat[:0]))
    assert math.isnan(mean_width(flat[:0], flat[:0]))


def test_the_patient_bootstrap_draws_whole_patients():
    patients = ["a", "b", "a", "c", "c", "c"]
    for draw in PatientBootstrap(patients, repeats=50).draws():
        names = [patients[index] for index in draw.index]
        assert names.count("a") % 2 == 0
        assert names.count("c") % 3 == 0
        assert len(set(draw.clusters)) == 3
        for cluster in set(draw.clusters):
            assert len({names[i] for i in np.flatnonzero(draw.clusters == cluster)}) == 1


def test_the_interval_widens_with_dependence_and_covers():
    """Films of a patient are alike: the interval must be about that of the patients' means."""
    random = np.random.default_rng(8)
    covered, runs, ratio = 0, 80, []
    for run in range(runs):
        level = np.repeat(random.normal(size=40), 5)
        values = level + random.normal(scale=0.3, size=200)
        patients = [str(i // 5) for i in range(200)]
        clustered = PatientBootstrap(patients, 150, run).estimate(
            lambda draw, values=values: {"mean": float(values[draw.index].mean())}
        )["mean"]
        covered += clustered.low <= 0 <= clustered.high
        if run < 8:
            single = PatientBootstrap([str(i) for i in range(200)], 150, run).estimate(
                lambda draw, values=values: {"mean": float(values[draw.index].mean())}
            )["mean"]
            ratio.append((clustered.high - clustered.low) / (single.high - single.low))
    assert covered / runs == pytest.approx(0.95, abs=0.07)
    assert np.mean(ratio) > 1.7


def test_equal_seeds_give_equal_intervals_and_undefined_ones_are_nan():
    bootstrap = PatientBootstrap(["a", "b", "c"], 30)
    first, second = (bootstrap.estimate(lambda d: {"n": float(d.index.sum())}) for _ in range(2))
    assert first == second
    nothing = bootstrap.estimate(lambda d: {"n": float("nan")})["n"]
    assert math.isnan(nothing.low)
    assert nothing.as_dict() == {"value": None, "low": None, "high": None}
    assert Estimate(1.0, 0.5, 2.0).as_dict() == {"value": 1.0, "low": 0.5, "high": 2.0}


def test_calibration():
    predicted = np.linspace(0, 8, 64)
    slope, intercept = calibration_line(0.5 * predicted + 1, predicted)
    assert (slope, intercept) == pytest.approx((0.5, 1.0))
    curve = calibration_curve(0.5 * predicted + 1, predicted)
    assert [item.films for item in curve] == [8] * 8
    assert all(item.truth == pytest.approx(0.5 * item.prediction + 1) for item in curve)


def test_coverage_and_bins():
    truth = np.array([0.0, 2.0, 5.0, 8.0])
    assert coverage(truth, truth - 1, np.array([0.5, 1.0, 5.0, 8.0])) == 0.75
    assert mean_width(truth, truth + 2) == 2
    bins = score_bins(truth, 0, 6)
    assert [name for name, _ in bins] == ["0-2", "2-4", "4-6"]
    assert [int(inside.sum()) for _, inside in bins] == [1, 1, 2]
