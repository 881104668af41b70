import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupShuffleSplit

from pneumoscore.study.protocol import run_protocol, split_patients
from pneumoscore.study.published import PAPER_ABSTRACT_MAE, PAPER_TABLES


@pytest.fixture(scope="module")
def films():
    random = np.random.default_rng(0)
    patients = [f"p{index // 2}" for index in range(90)]
    inputs = random.normal(size=(90, 3))
    labels = inputs @ [1.0, -0.5, 0.0] + 3 + random.normal(scale=0.5, size=90)
    return inputs, labels, patients


def test_the_protocol_is_the_one_written_in_the_paper(films):
    inputs, labels, patients = films
    result = run_protocol(inputs, labels, patients, seeds=range(4))
    errors = []
    for seed in range(4):
        splitter = GroupShuffleSplit(train_size=0.5, test_size=0.5, random_state=seed)
        fitted, tested = next(splitter.split(inputs, labels, patients))
        model = LinearRegression().fit(inputs[fitted], labels[fitted])
        errors.append(np.abs(model.predict(inputs[tested]) - labels[tested]).mean())
    assert result.figures["mae"] == pytest.approx(errors)
    assert result.summary()["mae"] == pytest.approx((np.mean(errors), np.std(errors, ddof=1)))
    assert result.summary()["pearson"][0] > 0.8


def test_no_patient_is_on_both_sides(films):
    _, _, patients = films
    for seed in range(50):
        fitted, tested = split_patients(patients, seed)
        assert not {patients[i] for i in fitted} & {patients[i] for i in tested}
        assert len(fitted) + len(tested) == len(patients)


def test_no_data_predicts_the_fitted_mean_and_is_not_clamped(films):
    inputs, labels, patients = films
    nothing = run_protocol(inputs[:, :0], labels, patients)
    assert nothing.summary()["pearson"] == (0, 0)
    assert nothing.summary()["r_squared"][0] < 0
    beyond = run_protocol(inputs * 10, labels * 10 - 40, patients, seeds=range(2))
    assert np.nanmin(beyond.predictions) < 0


def test_each_film_is_predicted_only_when_tested(films):
    inputs, labels, patients = films
    fitted, tested = split_patients(patients, 0)
    predictions = run_protocol(inputs, labels, patients, seeds=[0]).predictions
    assert np.isnan(predictions[fitted]).all()
    assert np.isfinite(predictions[tested]).all()


@pytest.mark.shared_data
def test_predicting_the_mean_gives_the_papers_last_row(shared_data):
    """The published "no data" row needs no network: labels and splits alone decide it."""
    from pneumoscore.cohort.public import load_cohen94

    cohort = load_cohen94(shared_data)
    labels = cohort.labels("geographic_extent")
    found = run_protocol(np.zeros((len(cohort), 0)), labels, cohort.patients).summary()
    published = PAPER_TABLES["geographic_extent"]["none"]
    assert found["mae"][0] == pytest.approx(published.mae[0], abs=0.05)
    assert found["mse"][0] == pytest.approx(published.mse[0], abs=0.3)
    assert found["r_squared"][0] == pytest.approx(published.r_squared[0], abs=0.05)
    assert PAPER_ABSTRACT_MAE["geographic_extent"] < published.mae[0]
