"""Error models, pairs, steps, trends, advice."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.monitor.change.assess import advise, assess
from pneumoscore.monitor.change.error_model import (
    ErrorModel,
    ScaleError,
    find_error_model,
    read_error_model,
    write_error_model,
)
from pneumoscore.monitor.change.pair import compare_films
from pneumoscore.monitor.change.rules import RuleSet, read_rules
from pneumoscore.monitor.change.steps import find_steps
from pneumoscore.monitor.change.trend import local_trend
from pneumoscore.monitor.simulation import simulate, simulation_table, step_of
from pneumoscore.records.types import (
    EventRecord,
    ScaleValue,
    StoredModel,
    Timeline,
    TimelineFilm,
)
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT
from pneumoscore.severity.score import ModelIdentity

FLAT = ScaleError((0.0, 8.0), (0.5, 0.5))
START = datetime(2026, 1, 1)


def film(day: float, extent: float, view: str | None = "AP", **changes: object) -> TimelineFilm:
    values = {
        "geographic_extent": ScaleValue("geographic_extent", extent, extent),
        "opacity": ScaleValue("opacity", extent / 2, extent / 2),
    }
    made = TimelineFilm(f"f{day}", f"s{day}", START + timedelta(days=day), view, None, values)
    return replace(made, **changes)


def timeline(films: list[TimelineFilm], *events: EventRecord) -> Timeline:
    identity = ModelIdentity("tiny", "1", "b", "a" * 64)
    return Timeline("p", None, True, StoredModel(1, identity), (), tuple(films), events, ())


def test_error_between_and_beyond_the_scores_it_was_measured_at() -> None:
    error = ScaleError((1.0, 3.0, 7.0), (0.2, 0.6, 0.4))
    assert [error.sd(score) for score in (0, 1, 2, 3, 5, 7, 8)] == pytest.approx(
        [0.2, 0.2, 0.4, 0.6, 0.5, 0.4, 0.4]
    )
    assert error.smallest_detectable_change(3) == pytest.approx(1.96 * math.sqrt(2) * 0.6)
    for scores, sds in (((1.0, 1.0), (1.0, 1.0)), ((0.0,), (0.0,)), ((), ()), ((0.0,), (1.0, 2.0))):
        with pytest.raises(ModelError):
            ScaleError(scores, sds)


def test_error_models_are_found_by_name_version_and_hash(
    errors: ErrorModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path))
    identity = ModelIdentity(errors.name, errors.version, "b", errors.sha256)
    with pytest.raises(ModelError, match=r"has no error model.*fit-error-model"):
        find_error_model(identity)
    path = write_error_model(errors)
    assert find_error_model(identity) == errors
    with pytest.raises(ModelError, match="measured for another"):
        find_error_model(replace(identity, sha256="f" * 64))
    with pytest.raises(ModelError, match="has no error model"):
        find_error_model(replace(identity, version="2"))
    for damage in ("", "[]", '{"format": 2}', '{"format": 1, "model": {}}'):
        path.write_text(damage)
        with pytest.raises(ModelError):
            read_error_model(path)
    with pytest.raises(ModelError, match="no error model at"):
        find_error_model(identity, tmp_path / "absent.json")
    with pytest.raises(ModelError, match="was not measured"):
        errors.scale("opacity_ralo")


def test_a_pair_is_judged_by_the_error_at_its_score(errors: ErrorModel) -> None:
    small = compare_films(film(0, 3.5), film(1, 4.5), "geographic_extent", errors)
    assert small.standard_error == pytest.approx(math.sqrt(2) * 0.5)
    assert small.smallest_detectable == pytest.approx(1.96 * math.sqrt(2) * 0.5)
    assert (small.verdict, small.warnings) == ("no detectable change", ())
    # The same difference counts at the end of the scale, where the error is smaller.
    assert compare_films(film(0, 0), film(1, 1), "geographic_extent", errors).verdict == "higher"
    lower = compare_films(film(0, 7), film(1, 4), "geographic_extent", errors)
    assert (lower.verdict, lower.size) == ("lower", pytest.approx(-3 / lower.smallest_detectable))
    unscored = replace(film(1, 4), values={})
    with pytest.raises(PneumoScoreError, match="no geographic_extent"):
        compare_films(film(0, 7), unscored, "geographic_extent", errors)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (film(0, 3, "PA"), film(1, 3, "AP"), ("projection differs (PA before, AP after)",)),
        (film(0, 3, None), film(1, 3, "AP"), ("projection unknown",)),
        (film(0, 3, "AP Supine"), film(1, 3, "AP"), ("position differs",)),
        (
            film(0, 3),
            film(1, 3, flags=("lungs_cut_off",)),
            ("quality after: lungs cut off",),
        ),
        (film(0, 3, "AP"), film(1, 3, "AP"), ()),
    ],
)
def test_films_that_do_not_compare_are_warned_of(
    before: TimelineFilm, after: TimelineFilm, expected: tuple[str, ...], errors: ErrorModel
) -> None:
    assert compare_films(before, after, "opacity", errors).warnings == expected


def test_the_shares_of_false_alarms_sum_to_the_whole() -> None:
    from statistics import NormalDist

    rules = RuleSet()
    total = 0.0
    for films in range(2, 5000):
        tail = 2 * (1 - NormalDist().cdf(rules.boundary(films)))
        total += tail * min(rules.recent_films, films - 1) * len(rules.scales)
    assert 0.0498 < total <= 0.05 + 1e-9


def test_steps_are_seen_once_and_never_taken_back() -> None:
    rules = RuleSet()
    values = [2.0, 2.2, 1.9, 5.5, 5.4, 5.6, 2.0, 2.1]
    steps = find_steps(values, FLAT, rules)
    assert [(step.seen, step.first, step.higher) for step in steps] == [
        (3, 3, True),
        (6, 6, False),
    ]
    for length in range(len(values)):
        assert find_steps(values[:length], FLAT, rules) == [s for s in steps if s.seen < length]
    assert steps[0].difference == pytest.approx(5.5 - np.mean(values[:3]))
    assert steps[0].standard_error == pytest.approx(0.5 * math.sqrt(1 + 1 / 3))
    assert find_steps(values, FLAT, rules, smallest=4.0) == []


def test_a_slow_rise_is_found_by_several_films() -> None:
    values = [2.0, 2.0, 2.1, 3.3, 3.6, 3.9]
    (step,) = find_steps(values, FLAT, RuleSet())
    assert step.seen > step.first


@given(
    values=st.lists(st.floats(0, 8), max_size=25),
    shift=st.floats(-3, 3),
    recent=st.integers(1, 4),
)
def test_steps_do_not_depend_on_where_zero_is_or_which_way_is_up(
    values: list[float], shift: float, recent: int
) -> None:
    rules = RuleSet(recent_films=recent)
    steps = find_steps(values, FLAT, rules)
    mirrored = find_steps([8.0 - value for value in values], FLAT, rules)
    assert [(s.seen, s.first, not s.higher) for s in steps] == [
        (s.seen, s.first, s.higher) for s in mirrored
    ]
    assert [s.seen for s in find_steps([v + shift for v in values], FLAT, rules)] == [
        s.seen for s in steps
    ]
    for step in steps:
        assert step.since < step.first <= step.seen
        assert abs(step.difference) > step.boundary * step.standard_error


def test_trend_recovers_a_line_and_bears_an_outlier() -> None:
    days = [0.0, 0.4, 1.7, 2.1, 3.9, 5.0, 6.0]
    values = [2.0 + 0.5 * day for day in days]
    plain = local_trend(days, values, FLAT, at=6.0, half_width=10.0)
    assert plain is not None
    assert plain.slope == pytest.approx(0.5, abs=1e-6)
    assert plain.level == pytest.approx(5.0, abs=1e-6)
    assert plain.slope_low < 0.5 < plain.slope_high
    values[2] += 4.0
    robust = local_trend(days, values, FLAT, at=6.0, half_width=10.0)
    straight = np.polyfit(days, values, 1)[0]
    assert robust is not None
    assert abs(robust.slope - 0.5) < abs(straight - 0.5) / 2
    assert robust.films == 7


def test_trend_without_enough_films() -> None:
    assert local_trend([], [], FLAT, at=0.0, half_width=7.0) is None
    assert local_trend([0.0], [3.0], FLAT, at=9.0, half_width=7.0) is None
    one = local_trend([0.0, 0.0, 0.0], [3.0, 3.2, 2.8], FLAT, at=0.0, half_width=7.0)
    assert one is not None
    assert one.slope is None
    assert one.level == pytest.approx(3.0)
    assert one.level_high - one.level == pytest.approx(1.96 * 0.5 / math.sqrt(3), rel=0.01)


def test_the_interval_of_the_slope_covers_the_truth() -> None:
    generator = np.random.default_rng(3)
    days = np.sort(generator.uniform(0, 6, 8))
    covered = 0
    for _ in range(400):
        values = 3.0 + 0.2 * days + 0.5 * generator.standard_normal(8)
        trend = local_trend(days, values, FLAT, at=3.0, half_width=6.0)
        assert trend is not None
        covered += trend.slope_low <= 0.2 <= trend.slope_high
    assert covered / 400 > 0.92


def test_advice_over_a_stay(errors: ErrorModel) -> None:
    rules = RuleSet()
    course = [2, 2.1, 1.9, 5.5, 5.6, 5.5, 5.4]
    films = [film(float(day), value) for day, value in enumerate(course)]
    words = [
        assess(timeline(films[: count + 1]), errors, rules).advice.word
        for count in range(len(films))
    ]
    assert words == ["one film", "stable", "stable", *["worsening"] * 4]
    later = [*films, film(7.5, 5.5)]
    found = assess(timeline(later), errors, rules)
    assert found.advice.word == "stable"
    part = found.scales[0]
    assert part.reference == "first film"
    assert part.first_worsening is not None
    assert part.first_worsening.seen_at == START + timedelta(days=3)
    assert part.first_improvement is None
    assert [pair.verdict for pair in part.pairs].count("higher") == 1
    assert "worsening" not in found.advice.reason
    for word in ("ventilat", "intubat", "antibio", "treat"):  # never a treatment
        assert word not in assess(timeline(films), errors, rules).advice.reason.lower()


def test_first_changes_count_from_the_start_of_treatment(errors: ErrorModel) -> None:
    films = [film(float(day), value) for day, value in enumerate([1, 5, 5, 5, 1, 1])]
    treated = EventRecord("p", "treatment_start", START + timedelta(days=2))
    admitted = EventRecord("p", "admission", START)
    found = assess(timeline(films, admitted, treated), errors, RuleSet()).scales[0]
    assert found.reference == "treatment_start"
    assert found.first_worsening is None
    assert found.first_improvement is not None
    admitted_only = assess(timeline(films, admitted), errors, RuleSet()).scales[0]
    assert (admitted_only.reference, admitted_only.first_worsening is None) == ("admission", False)


def test_worsening_on_one_scale_outweighs_improvement_on_the_other(errors: ErrorModel) -> None:
    films = [
        replace(
            film(float(day), 4.0),
            values={
                "geographic_extent": ScaleValue("geographic_extent", extent, extent),
                "opacity": ScaleValue("opacity", opacity, opacity),
            },
        )
        for day, (extent, opacity) in enumerate([(2, 4), (2, 4), (6, 1)])
    ]
    advice = assess(timeline(films), errors, RuleSet()).advice
    assert advice.word == "worsening"
    assert "Opacity" in advice.reason
    assert advise([], [], RuleSet()).word == "one film"


def test_rules_of_a_site(tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    content = {"name": "ours", "version": "3", "smallest_change": {"opacity": 1.0},
               "scales": ["opacity"], "hold_days": 1}  # fmt: skip
    file.write_text(json.dumps(content))
    rules = read_rules(file)
    assert (rules.name, rules.scales, rules.smallest_change) == (
        "ours",
        ("opacity",),
        {"opacity": 1},
    )
    assert read_rules(None) == RuleSet()
    assert json.loads(json.dumps(rules.as_dict()))["false_alarms"] == 0.05
    for wrong in (
        {},
        {"name": "x"},
        content | {"false_alarms": 0},
        content | {"unknown": 1},
        content | {"scales": ["length"]},
        content | {"false_alarms": "x"},
        [],
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(PneumoScoreError):
            read_rules(file)


def test_the_aims_hold_in_simulation(errors: ErrorModel) -> None:
    found = simulate(errors, RuleSet(), repeats=400, seed=5)
    assert {item.films for item in found} == {2, 3, 5, 10, 20}
    for item in found:
        # With 3,600 and about 2,000 series, three standard errors are .011 and .02.
        assert item.series_called < 0.05
        assert item.pair_called < 0.05 + 0.011
        assert item.step_found > 0.90
    assert "2 SDC" in simulation_table(found, RuleSet()).markdown()


def test_the_step_of_two_detectable_changes(errors: ErrorModel) -> None:
    error = errors.scale("geographic_extent")
    upper = step_of(error, GEOGRAPHIC_EXTENT, 2.0)
    assert upper is not None
    middle = (2.0 + upper) / 2
    assert upper - 2.0 == pytest.approx(2 * error.smallest_detectable_change(middle))
    assert step_of(error, GEOGRAPHIC_EXTENT, 7.9) is None
