import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.errors import ModelError
from pneumoscore.forms import from_form, to_form
from pneumoscore.severity.interval import ConformalInterval, fit_conformal
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT


def clustered(random, patients, *, within=0.3):
    """Films of patients whose errors are alike within a patient and smaller near 0."""
    films = random.choice([1, 1, 2, 3, 12], size=patients)
    patient = np.repeat(np.arange(patients), films)
    truth = np.repeat(random.uniform(0, 8, patients), films)
    bias = np.repeat(random.normal(size=patients), films)
    error = bias + within * random.normal(size=patient.size)
    predicted = np.clip(truth + error * (0.3 + 0.12 * truth), 0, 8)
    return predicted, truth, patient


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_a_film_of_a_new_patient_is_covered_as_often_as_stated(level):
    random = np.random.default_rng(5)
    covered = []
    for _ in range(150):
        interval = fit_conformal(*clustered(random, 60), GEOGRAPHIC_EXTENT)
        predicted, truth, patient = clustered(random, 40)
        first = np.unique(patient, return_index=True)[1]  # one film of each new patient
        for value, target in zip(predicted[first], truth[first], strict=True):
            low, high = interval.bounds(value, level, GEOGRAPHIC_EXTENT)
            covered.append(low <= target <= high)
    assert level - 0.015 < np.mean(covered) < level + 0.035


def test_ignoring_patients_would_under_cover_when_bad_films_come_from_one_patient():
    # Ninety films of one well-read patient must not speak for nine badly read patients.
    predictions = np.full(99, 4.0)
    targets = np.concatenate([np.full(90, 4.1), np.full(9, 6.0)])
    patients = [0] * 90 + list(range(1, 10))
    by_patient = fit_conformal(predictions, targets, patients, GEOGRAPHIC_EXTENT)
    by_film = fit_conformal(predictions, targets, range(99), GEOGRAPHIC_EXTENT)
    assert by_patient.patients == 10
    assert by_patient.bounds(4.0, 0.8, GEOGRAPHIC_EXTENT)[1] >= 6.0 - 1e-9
    assert by_film.bounds(4.0, 0.8, GEOGRAPHIC_EXTENT)[1] < 5.0


def test_intervals_are_narrower_where_the_errors_are_smaller():
    random = np.random.default_rng(3)
    interval = fit_conformal(*clustered(random, 400), GEOGRAPHIC_EXTENT)
    assert interval.spread(0.5) < 0.6 * interval.spread(6.0)
    low, high = interval.bounds(0.5, 0.9, GEOGRAPHIC_EXTENT)
    assert high - low < 3


def test_the_quantile_is_the_finite_sample_one():
    # Nine patients, one film each: rank ceil(10 * level) of the nine residuals.
    interval = ConformalInterval(np.arange(1.0, 10.0), np.ones(9), np.array([0.0]), np.ones(1))
    assert interval.quantile(0.8) == 8.0
    assert interval.quantile(0.81) == 9.0
    assert interval.quantile(0.9) == 9.0
    assert interval.quantile(0.91) == math.inf
    assert interval.bounds(3.0, 0.95, GEOGRAPHIC_EXTENT) == (0.0, 8.0)


@given(
    data=st.lists(
        st.tuples(st.floats(-3, 12), st.floats(0, 8), st.integers(0, 6)), min_size=1, max_size=40
    ),
    value=st.floats(0, 8),
    levels=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
)
def test_intervals_hold_their_value_lie_in_the_range_and_grow_with_the_level(data, value, levels):
    predictions, targets, patients = zip(*data, strict=True)
    interval = fit_conformal(predictions, targets, patients, GEOGRAPHIC_EXTENT)
    narrow, wide = (interval.bounds(value, level, GEOGRAPHIC_EXTENT) for level in sorted(levels))
    assert 0 <= wide[0] <= narrow[0] <= value <= narrow[1] <= wide[1] <= 8


def test_an_interval_survives_its_plain_form():
    interval = fit_conformal(*clustered(np.random.default_rng(1), 30), GEOGRAPHIC_EXTENT)
    again = from_form(ConformalInterval, to_form(interval), "an interval")
    assert again.bounds(2.5, 0.9, GEOGRAPHIC_EXTENT) == interval.bounds(2.5, 0.9, GEOGRAPHIC_EXTENT)


@pytest.mark.parametrize(
    "change",
    [
        {"residuals": [2.0, 1.0]},
        {"residuals": [-1.0, 1.0]},
        {"residuals": [1.0]},
        {"residuals": [1.0, math.nan]},
        {"weights": [0.0, 1.0]},
        {"knots": [1.0, 1.0]},
        {"spreads": [0.0, 1.0]},
        {"spreads": "wide"},
        {"spreads": None},
    ],
)
def test_damaged_intervals_are_refused(change):
    good = {"residuals": [1.0, 2.0], "weights": [1, 1], "knots": [0, 8], "spreads": [1, 1]}
    from_form(ConformalInterval, good, "an interval")
    with pytest.raises(ModelError):
        from_form(ConformalInterval, good | change, "an interval")
    rest = {k: v for k, v in good.items() if k not in change}
    with pytest.raises(ModelError):
        from_form(ConformalInterval, rest, "an interval")


@pytest.mark.parametrize("level", [0.0, 1.0, 90, -1, math.nan])
def test_levels_outside_0_to_1_are_refused(level):
    interval = fit_conformal([1.0], [2.0], [1], GEOGRAPHIC_EXTENT)
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval.quantile(level)


@pytest.mark.parametrize(
    "arguments", [([1.0], [1.0, 2.0], [1]), ([], [], []), ([math.nan], [1.0], [1])]
)
def test_calibration_needs_matching_finite_numbers(arguments):
    with pytest.raises(ValueError, match="predictions"):
        fit_conformal(*arguments, GEOGRAPHIC_EXTENT)
