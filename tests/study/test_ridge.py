import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pneumoscore.study.ridge import (
    STRENGTHS,
    choose_strength,
    fit_ridge,
    out_of_fold_predictions,
    patient_folds,
)


@pytest.mark.parametrize(("films", "width"), [(60, 5), (25, 80)])
def test_each_strength_is_scikit_learns_ridge(films, width):
    random = np.random.default_rng(0)
    inputs = random.normal(size=(films, width)) * random.uniform(0.1, 9, width) + 3
    targets = inputs[:, 0] + random.normal(size=films)
    for strength, fit in zip(STRENGTHS, fit_ridge(inputs, targets, STRENGTHS), strict=True):
        reference = make_pipeline(StandardScaler(), Ridge(alpha=strength * films))
        expected = reference.fit(inputs, targets).predict(inputs + 1)
        np.testing.assert_allclose(fit.predict(inputs + 1), expected, atol=1e-6)


def test_constant_inputs_get_no_weight_and_no_inputs_give_the_mean():
    random = np.random.default_rng(1)
    inputs = np.column_stack([random.normal(size=40), np.full(40, 0.1)])
    targets = inputs[:, 0] * 2 + 1
    (fit,) = fit_ridge(inputs, targets, [1e-8])
    np.testing.assert_allclose(fit.coefficients, [2.0, 0.0], atol=1e-6)
    (constant,) = fit_ridge(np.empty((40, 0)), targets, [1.0])
    np.testing.assert_allclose(constant.predict(np.empty((3, 0))), targets.mean())


@given(
    patients=st.lists(st.sampled_from("abcdefghijkl"), min_size=3, max_size=60),
    folds=st.integers(2, 10),
)
def test_no_patient_is_in_two_folds(patients, folds):
    if len(set(patients)) < 2:
        return
    fold = patient_folds(patients, folds)
    assert len({(patient, index) for patient, index in zip(patients, fold, strict=True)}) == len(
        set(patients)
    )
    assert len(set(fold.tolist())) == min(folds, len(set(patients)))


def test_patients_cannot_be_recognised_across_folds():
    # Inputs name the patient and nothing else: the label cannot be learned for new patients.
    random = np.random.default_rng(2)
    labels = np.repeat(random.uniform(0, 8, 30), 4)
    patients = [str(index) for index in np.repeat(np.arange(30), 4)]
    inputs = np.repeat(np.eye(30), 4, axis=0) + random.normal(scale=0.01, size=(120, 30))
    found = out_of_fold_predictions(inputs, labels, patients)
    assert np.corrcoef(found.predictions, labels)[0, 1] < 0.3
    (known,) = fit_ridge(inputs, labels, [1e-4])
    assert np.corrcoef(known.predict(inputs), labels)[0, 1] > 0.99


def test_the_strength_follows_the_noise():
    random = np.random.default_rng(3)
    inputs = random.normal(size=(120, 60))
    signal = inputs[:, :3].sum(axis=1)
    patients = [str(index) for index in range(120)]
    clear = choose_strength(inputs, signal, patients)
    noisy = choose_strength(inputs, signal + random.normal(scale=6, size=120), patients)
    assert clear < 0.01 < 0.1 < noisy


def test_out_of_fold_predictions_learn_and_say_what_the_mean_gives():
    random = np.random.default_rng(4)
    inputs = random.normal(size=(200, 8))
    labels = inputs[:, 0] - inputs[:, 1] + 4 + 0.2 * random.normal(size=200)
    patients = [str(index // 2) for index in range(200)]
    found = out_of_fold_predictions(inputs, labels, patients)
    assert np.abs(found.predictions - labels).mean() < 0.25
    for fold in range(10):
        here = found.folds == fold
        np.testing.assert_allclose(found.means[here], labels[~here].mean())
    assert len(found.strengths) == 10


def test_too_few_patients_or_uneven_lists_are_refused():
    with pytest.raises(ValueError, match="three patients"):
        out_of_fold_predictions(np.zeros((4, 1)), np.zeros(4), list("aabb"))
    with pytest.raises(ValueError, match="differ in length"):
        out_of_fold_predictions(np.zeros((4, 1)), np.zeros(3), list("abcd"))
