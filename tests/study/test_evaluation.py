import math

import numpy as np
import pytest

from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.study.evaluation import compare, evaluate
from pneumoscore.study.evaluation_tables import figures_table, people_table, subgroup_table
from pneumoscore.study.outcomes import outcome_rows, outcome_table
from pneumoscore.study.predictions import PredictionTable


def table(error=0.5, films=120, scale=GEOGRAPHIC_EXTENT, name="m", half_width=1.0):
    random = np.random.default_rng(0)
    truth = random.uniform(scale.low, scale.high, films)
    predicted = truth + random.normal(scale=error, size=films) + 0.2
    return PredictionTable(
        name,
        scale,
        tuple(f"{i}.png" for i in range(films)),
        tuple(f"p{i // 3}" for i in range(films)),
        tuple("ab"[i % 2] for i in range(films)),
        tuple(("PA", "AP", "")[i % 3] for i in range(films)),
        tuple(("F", "M")[(i // 3) % 2] for i in range(films)),
        np.where(np.arange(films) % 4, 30.0 + np.arange(films) / 2, np.nan),
        truth,
        predicted,
        predicted - half_width,
        predicted + half_width,
    )


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(table(), 200)


def test_figures_are_those_of_how_the_films_were_made(evaluation):
    figures = evaluation.figures
    assert figures["bias"].value == pytest.approx(0.2, abs=0.1)
    assert figures["bias"].low <= 0.2 <= figures["bias"].high
    assert figures["rmse"].value == pytest.approx(math.hypot(0.5, 0.2), abs=0.06)
    assert figures["icc_a1"].value > 0.95
    assert figures["calibration_slope"].value == pytest.approx(1, abs=0.05)
    assert figures["limit_high"].value == pytest.approx(0.2 + 1.96 * 0.5, abs=0.2)
    assert figures["width"].value == pytest.approx(2)
    assert 0.85 < figures["coverage"].value < 1
    assert all(value.value > 0.95 for value in evaluation.severe.values())


def test_subgroups_add_up(evaluation):
    for group in ("view", "sex", "age", "source", "label"):
        parts = [item for item in evaluation.subgroups if item.group == group]
        assert sum(item.films for item in parts) == 120
    assert {item.value for item in evaluation.subgroups if item.group == "view"} == {
        "AP",
        "PA",
        "not stated",
    }


def test_tables_show_every_figure(evaluation):
    shown = figures_table([evaluation, evaluate(table(scale=OPACITY), 100)]).markdown()
    assert "ICC(A,1)" in shown
    assert "(at 1.5 or more)" in shown
    assert len(subgroup_table(evaluation).rows) == len(evaluation.subgroups)
    assert ("films", "120") in people_table(evaluation).rows


def test_a_better_model_is_told_from_a_worse_one():
    found = compare(table(0.3), table(1.2, name="other"), 300)
    assert found["mae_difference"].high < 0
    assert found["pearson_difference"].low > 0
    same = compare(table(0.3), table(0.3), 100)
    assert same["mae_difference"].low == same["mae_difference"].high == 0
    with pytest.raises(ValueError, match="expected one scale"):
        compare(table(), table(scale=OPACITY))
    with pytest.raises(ValueError, match="expected at least two"):
        evaluate(table().take([0]))


def test_outcomes_by_film_and_by_first_film():
    random = np.random.default_rng(1)
    films, scores = [], []
    for patient in range(40):
        sick = patient % 2 == 0
        for day in (3, 0):
            films.append(
                CohortFilm(
                    f"{patient}-{day}",
                    None,
                    str(patient),
                    offset_days=day,
                    outcomes={"death": sick, "rare": patient == 0},
                )
            )
            # Only the first day's film tells the outcome.
            scores.append((4.0 if sick and day == 0 else 2.0) + random.normal(scale=0.3))
    (row,) = outcome_rows(Cohort("c", tuple(films)), np.array(scores), "opacity", 200)
    assert (row.outcome, row.films, row.patients, row.events) == ("death", 80, 40, 20)
    assert row.by_patient.value == 1
    assert 0.6 < row.by_film.value < 0.9
    assert "Associations, not effects" in outcome_table([row]).note
