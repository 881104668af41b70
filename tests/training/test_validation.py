"""Fitting the error, and judging rules on series whose answers are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cohort.public import load_hannover
from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.monitor.change.error_model import ErrorModel, find_error_model
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.error_films import (
    FilmPair,
    MeasuredFilm,
    Retakes,
    measure_retakes,
    near_pairs,
    with_neighbour,
)
from pneumoscore.monitor.error_fitting import fit_error_model, fit_scale
from pneumoscore.monitor.error_table import detectable_table
from pneumoscore.monitor.hannover import hannover_events
from pneumoscore.severity.model import SeverityModel
from training.validation.alarms import (
    alarm_table,
    any_increase,
    evaluate_alarms,
    outcome_table,
    worsening,
)
from training.validation.followed import followed_table
from training.validation.movement import (
    correlation_table,
    movement_table,
    ranks,
    repeated_measures_correlation,
    within_pairs,
)
from training.validation.series import (
    PatientSeries,
    SeriesFilm,
    hannover_series,
    unfitted_series,
)
from training.validation.unfitted import (
    out_of_fold_pairs,
    series_rows,
    unfitted_films,
)


def series(patient: str, course: dict[float, float], **changes: object) -> PatientSeries:
    films = tuple(
        SeriesFilm(f"{patient}{day}", day, "AP", {"geographic_extent": value, "opacity": value / 2})
        for day, value in course.items()
    )
    given = {"events": {}, "died": False, "went_to_icu": False} | changes
    return PatientSeries(patient, "test", films, **given)


def alike(patients: int) -> list[FilmPair]:
    return [FilmPair(str(number), 4.0, 4.001, True) for number in range(patients)]


def test_fitting_recovers_the_error() -> None:
    generator = np.random.default_rng(0)
    truth = generator.uniform(0, 8, 400)
    sd = 0.2 + 0.05 * truth
    values = truth[:, None] + sd[:, None] * generator.standard_normal((400, 9))
    fitted = fit_scale(Retakes("geographic_extent", values), alike(10))
    # The kernel smooths and, at the ends, looks inwards only.
    for score, expected in ((2.0, 0.3), (4.0, 0.4), (6.0, 0.5)):
        assert fitted.sd(score) == pytest.approx(expected, rel=0.12)
    assert fitted.evidence["films"] == 400


def test_pairs_of_a_day_set_the_size() -> None:
    generator = np.random.default_rng(1)
    steady = np.full((60, 5), 4.0) + 0.1 * generator.standard_normal((60, 5))
    pairs = [
        FilmPair(str(number), first, second, True)
        for number, (first, second) in enumerate(4.0 + 0.5 * generator.standard_normal((200, 2)))
    ]
    fitted = fit_scale(Retakes("geographic_extent", steady), pairs)
    assert fitted.sd(4.0) == pytest.approx(0.5, rel=0.12)
    assert fitted.evidence["factor_low"] < 5.0 < fitted.evidence["factor_high"] * 1.1
    calm = fit_scale(Retakes("geographic_extent", steady), alike(10))
    assert calm.sd(4.0) == pytest.approx(0.1, rel=0.2)


def test_pairs_of_a_few_patients_tell_no_error(
    tiny_folder: Path, tiny_model: ModuleType, tmp_path: Path
) -> None:
    steady = Retakes("geographic_extent", np.full((60, 5), 4.0))
    for pairs in ([], alike(9), [FilmPair("x", 3.0, 5.0, True)] * 20):
        with pytest.raises(PneumoScoreError, match=r"patient\(s\) with two comparable films"):
            fit_scale(steady, pairs)
    films = []
    for number in range(29):
        path = tmp_path / f"{number}.png"
        Image.fromarray((tiny_model.film(number).pixels * 255).astype(np.uint8)).save(path)
        # Nine patients of two films, one of two projections, and nine of one film.
        patient = str(number // 2) if number < 20 else f"single {number}"
        view = "PA" if number == 19 else "AP"
        films.append(MeasuredFilm(path, patient, number % 2, view))
    model = SeverityModel.open(tiny_folder, threads=1)
    with pytest.raises(PneumoScoreError) as caught:
        fit_error_model(model, films, perturbed=20, retakes=2)
    assert "9 patient(s) with two comparable films at most 1 days apart" in str(caught.value)
    assert "at least 10" in str(caught.value)
    assert "give films of more patients" in str(caught.value)
    last = [replace(film, view="AP") for film in films]
    fitted = fit_error_model(model, last, perturbed=20, retakes=2)
    assert fitted.scale("opacity").evidence["pair_patients"] == 10


def test_pairs_are_of_one_patient_and_close_in_time() -> None:
    films = [
        MeasuredFilm(Path(name), patient, day, view)
        for name, patient, day, view in (
            ("0", "a", 0.0, "AP"), ("1", "a", 1.0, "AP"), ("2", "a", 3.0, "PA"),
            ("3", "a", 3.5, None), ("4", "b", 0.0, "AP"), ("5", "a", 3.0, "AP"),
        )
    ]  # fmt: skip
    scores = {film.path: {"opacity": float(str(film.path))} for film in films}
    found = near_pairs(films, scores, "opacity", 1.0)
    assert [(pair.first, pair.second, pair.same_projection) for pair in found] == [
        (0, 1, True), (2, 3, True), (2, 5, False), (3, 5, True),
    ]  # fmt: skip
    assert len(near_pairs(films, scores, "opacity", 0.0)) == 1
    assert near_pairs(films, {}, "opacity", 1.0) == []


def test_patients_are_weighed_alike_and_the_interval_is_kept() -> None:
    generator = np.random.default_rng(1)
    steady = np.full((60, 5), 4.0) + 0.1 * generator.standard_normal((60, 5))
    # One patient with a hundred wild pairs does not speak for twenty others.
    calm = [
        FilmPair(str(number), 4.0, 4.0 + step, True)
        for number, step in enumerate(0.4 * generator.standard_normal(40))
    ]
    wild = [FilmPair("x", 4.0, 4.0 + step, True) for step in 3.0 * generator.standard_normal(100)]
    fitted = fit_scale(Retakes("geographic_extent", steady), [*calm, *wild])
    alone = fit_scale(Retakes("geographic_extent", steady), calm)
    assert fitted.sd(4.0) < 1.5 * alone.sd(4.0)
    assert 0.0 < alone.low < 1.0 < alone.high < 2.0
    upper = alone.at_its_upper_bound()
    assert upper.sd(4.0) == pytest.approx(alone.sd(4.0) * alone.high)


def test_retakes_change_the_score_and_repeat(
    tiny_folder: Path, tiny_model: ModuleType, tmp_path: Path
) -> None:
    paths = []
    for seed in range(3):
        path = tmp_path / f"{seed}.png"
        Image.fromarray((tiny_model.film(seed).pixels * 255).astype(np.uint8)).save(path)
        paths.append(path)
    model = SeverityModel.open(tiny_folder, threads=1)
    found = measure_retakes(model, paths, retakes=4, seed=2)
    assert found["opacity"].values.shape == (3, 5)
    assert (np.ptp(found["opacity"].values, axis=1) > 0).all()
    again = measure_retakes(model, paths, retakes=4, seed=2)
    assert np.array_equal(again["opacity"].values, found["opacity"].values)


def test_repeated_measures_correlation_is_the_analysis_of_covariance() -> None:
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(6), 5)
    first = generator.standard_normal(30) + 3 * clusters
    second = -0.6 * first + 4 * clusters + generator.standard_normal(30)
    # Least squares with a level for each patient and one slope (Bakdash and Marusich 2017).
    levels = np.equal.outer(clusters, np.arange(6)).astype(float)
    full = np.column_stack([levels, first])

    def rest(design: np.ndarray) -> float:
        return float(np.linalg.lstsq(design, second, rcond=None)[1][0])

    explained = rest(levels) - rest(full)
    expected = -math.sqrt(explained / (explained + rest(full)))
    assert repeated_measures_correlation(first, second, clusters) == pytest.approx(expected)
    assert math.isnan(repeated_measures_correlation(first, clusters * 1.0, clusters))
    assert ranks(np.array([5.0, 1.0, 1.0])).tolist() == [2.0, 0.5, 0.5]


def test_alarms_are_counted_before_the_event_and_in_those_without(errors: ErrorModel) -> None:
    rise = {0.0: 2.0, 1.0: 2.1, 2.0: 6.0, 3.0: 6.0}
    wobble = {0.0: 3.0, 2.0: 3.1, 4.0: 3.0, 6.0: 3.2}
    everyone = [
        series("dies after a rise", rise, events={"death": 5.0}, died=True),
        series("dies without", wobble, events={"death": 9.0}, died=True),
        series("to intensive care before", wobble, events={"icu_admission": 1.0}, went_to_icu=True),
        series("well", wobble),
        series("well after a rise", {0.0: 2.0, 1.0: 2.0, 3.0: 6.0, 4.0: 6.0}),
        series("unknown", wobble, died=None),
        series("in intensive care since before", wobble, events={"icu_admission": -1.0},
               went_to_icu=True),
        series("one film", {0.0: 3.0}),
    ]  # fmt: skip
    rules = {"steps": worsening(errors, RuleSet()), "any": any_increase(("geographic_extent",))}
    found = evaluate_alarms(everyone, rules, repeats=100)
    steps, plain = found["steps"], found["any"]
    assert (steps["events"].value, steps["others"].value) == (2, 3)
    assert steps["patient-days"].value == 6 + 4 + 6
    assert steps["called before event"].value == 0.5
    assert steps["lead days"].value == 2.0  # called on day 3, death on day 5
    assert steps["false calls per patient-day"].value == pytest.approx(1 / 16)
    assert plain["called before event"].value == 1.0
    assert plain["false calls per patient-day"].value == pytest.approx(5 / 16)
    assert plain["patients with false calls"].value == 1.0
    assert "2 patients with ICU admission or death" in alarm_table("t", found).note
    assert "3 recorded with neither" in alarm_table("t", found).note
    assert "too small" in alarm_table("t", found).note
    outcomes = outcome_table(everyone, rules, repeats=100)
    assert [row[:2] for row in outcomes.rows] == [("died", "2"), ("survived", "4")]
    assert alarm_table("t", {}).rows == ()


def test_followed_patients_by_outcome(errors: ErrorModel) -> None:
    everyone = [
        series("rises", {0.0: 2.0, 1.0: 2.0, 3.0: 6.0, 7.0: 6.0}, died=True),
        *(series(str(n), {0.0: 3.0, 7.0: 3.0 + 0.1 * n}) for n in range(3)),
        series("one day", {0.0: 3.0}),
    ]
    table = followed_table("t", everyone, errors, RuleSet(), repeats=50)
    rows = {row[:2]: row for row in table.rows}
    died, survived = rows["Geographic extent", "died"], rows["Geographic extent", "survived"]
    assert died[2:5] == ("1", "4", "1")
    assert died[5].startswith("4.00")
    assert died[6].startswith("1.00")
    assert survived[2:5] == ("3", "6", "3")
    assert survived[6].startswith("0.00")
    assert "too small" in table.note


def test_films_without_a_day_are_in_no_pair(tmp_path: Path) -> None:
    (tmp_path / "cohen94.csv").write_text(
        "filename,patientid,offset,view,geographic_mean,opacity_mean\n"
        "a.png,1,0,PA,1,1\nb.png,1,,PA,1,1\nc.png,1,,PA,1,1\nd.png,2,0,PA,1,1\ne.png,2,0,PA,1,1\n"
    )
    (tmp_path / "series.csv").write_text("file,patient,day,view\n")
    films = unfitted_films(tmp_path)
    assert [film.path.name for film in films] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    paired = with_neighbour(films, 1.0)
    assert [film.path.name for film in paired] == ["d.png", "e.png"]
    scores = {film.path: {"opacity": 1.0} for film in films}
    assert [pair.patient for pair in near_pairs(films, scores, "opacity", 1.0)] == ["cohen 2"]


@pytest.mark.shared_data
def test_the_series_that_nothing_was_fitted_on(shared_data: Path) -> None:
    rows = series_rows(shared_data)
    scores = {str(row["file"]): {"opacity": 1.0} for row in rows}
    found = unfitted_series(shared_data, scores)
    several = [item for item in found if len({film.day for film in item.films}) > 1]
    assert len(several) == 64
    assert sum(item.died is not None for item in several) >= 18
    films = unfitted_films(shared_data)
    assert len(films) == 94 + len(rows)
    assert all(film.path.is_file() for film in films)


@pytest.mark.shared_data
def test_pairs_of_the_cross_validation(shared_data: Path, tmp_path: Path) -> None:
    films = [film for film in load_hannover(shared_data) if film.offset_days is not None]
    lines = ["file,patient,view,source,scale,target,prediction,low,high"]
    for scale in ("geographic_extent", "opacity_ralo"):
        lines += [f"scored/{film.name},1,AP,hannover,{scale},1,4.0,0,8" for film in films]
    table = tmp_path / "p.csv"
    table.write_text("\n".join(lines) + "\n")
    found = out_of_fold_pairs(shared_data, table)
    assert set(found) == {"geographic_extent", "opacity"}
    assert len(found["opacity"]) == 26
    assert {pair.first for pair in found["opacity"]} == {3.0}
    assert len({pair.patient for pair in found["opacity"]}) == 8


def test_movement_before_intensive_care() -> None:
    up = series("a", {0.0: 2.0, 4.0: 5.0}, events={"icu_admission": 3.0})
    both = [up, series("b", {0.0: 3.0}, events={"icu_admission": 3.0}), series("c", {0.0: 3.0})]
    row = movement_table(both, ("geographic_extent",), repeats=100).rows[0]
    assert row[1:3] == ("2", "2")
    assert row[3].startswith("3.00")
    assert row[4].startswith("0.75")
    assert movement_table([], ("opacity",)).rows[0][1:4] == ("0", "0", "-")


@pytest.mark.shared_data
def test_hannover_days_count_from_admission(shared_data: Path) -> None:
    films = load_hannover(shared_data)
    days = np.array([film.offset_days for film in films])
    assert (days >= 0).mean() > 0.9
    scores = {film.name: {"opacity": 1.0, "geographic_extent": 2.0} for film in films}
    found = hannover_series(shared_data, scores)
    assert sum(len(item.films) for item in found) == 198
    for item in found:
        assert [film.day for film in item.films] == sorted(film.day for film in item.films)
        if "death" in item.events:
            assert item.events["death"] >= item.films[-1].day
        if "icu_discharge" in item.events:
            assert item.events["icu_discharge"] >= item.events["icu_admission"]
    events = hannover_events(shared_data)
    # One of each kind for a patient: the days of all films agree.
    assert len({(event.patient, event.kind) for event in events}) == len(events)
    pairs = within_pairs(found, "opacity", "po2")
    assert len(pairs.scores) > 50
    assert correlation_table(found, ("opacity",), repeats=100).rows


@pytest.mark.shared_data
def test_the_built_in_model_has_its_error_model(shared_data: Path) -> None:
    del shared_data
    model = SeverityModel.open(threads=1)
    errors = find_error_model(model.identity)
    assert set(model.shown) <= set(errors.scales)
    for part in errors.scales.values():
        assert part.evidence["pairs"] >= 10
    table = detectable_table(errors)
    assert "1.6" in table.markdown()
    assert table.note in (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")


def test_a_model_without_an_error_model_is_told(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="fit-error-model"):
        find_error_model(SeverityModel.open(tiny_folder, threads=1).identity)
