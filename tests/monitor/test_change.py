"""Error models, pairs, steps, trends, advice."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.monitor.change.advice import advice_at, calls_of, watch_one
from pneumoscore.monitor.change.error_model import (
    ErrorModel,
    ScaleError,
    find_error_model,
    read_error_model,
    write_error_model,
)
from pneumoscore.monitor.change.pair import compare_films
from pneumoscore.monitor.change.rules import RuleSet, read_rules
from pneumoscore.monitor.change.trend import local_trend
from pneumoscore.monitor.change.verdict import ended_stay, judge
from pneumoscore.monitor.change.watch import WORDS, watch
from pneumoscore.monitor.simulation import Course, draw_errors, simulate, simulation_table
from pneumoscore.records.types import (
    EventRecord,
    ScaleValue,
    StoredModel,
    Timeline,
    TimelineFilm,
)
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
    for damage in ("", "[]", '{"format": 3}', '{"format": 2}', '{"format": 1, "model": {}}'):
        path.write_text(damage)
        with pytest.raises(ModelError):
            read_error_model(path)
    with pytest.raises(ModelError, match="there is no file"):
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
    # How well the error is known decides between the two bounds.
    wide = replace(errors, scales={"geographic_extent": replace(FLAT, low=0.7, high=2.0)})
    words = [
        compare_films(film(0, 3), film(1, 3 + size), "geographic_extent", wide).verdict
        for size in (1.3, 1.5, 2.7, 2.9)
    ]
    assert words == ["no detectable change", "perhaps higher", "perhaps higher", "higher"]
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


def days_of(values: list[float], every: float = 1.0) -> list[datetime]:
    return [START + timedelta(days=every * place) for place in range(len(values))]


def words_of(values: list[float], every: float = 1.0, **rules: float) -> list[str]:
    said = watch_one(days_of(values, every), values, FLAT, RuleSet(**rules))
    return [WORDS[word] for word in said.words[0]]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([2, 5], ["one film", "to be confirmed"]),
        ([2, 5, 5.2], ["one film", "to be confirmed", "worsening"]),
        ([5.2, 2, 2.1], ["one film", "to be confirmed", "improving"]),
        # One odd film calls nothing, neither when it comes nor when it goes.
        ([2, 2.2, 2.1, 6, 2, 2.1], ["one film", *["stable"] * 2, "to be confirmed",
                                    *["stable"] * 2]),
        # A fall of the last film is not said to be a rise.
        ([2, 2.1, 1.9, 6, 6.2, 2.0], ["one film", *["stable"] * 2, "to be confirmed", "worsening",
                                      "to be confirmed"]),
        ([2, 2.1, 1.9, 6, 6.2, 2.0, 2.1], ["one film", *["stable"] * 2, "to be confirmed",
                                           "worsening", "to be confirmed", "improving"]),
        # Taken back without a fall that could be called itself.
        ([2, 2.1, 1.9, 2.0, 4.3, 4.3, 2.9, 2.9, 2.8], ["one film", *["stable"] * 3,
         "to be confirmed", "worsening", "to be confirmed", "returned", "returned"]),
    ],
)  # fmt: skip
def test_what_is_said_film_by_film(values: list[float], words: list[str]) -> None:
    assert words_of(values) == words
    for length in range(1, len(values)):  # later films never change what was said
        assert words_of(values[:length]) == words[:length]


def test_a_rise_is_said_as_long_as_it_goes_on_and_then_is_over() -> None:
    slow = [2.0] * 7 + [2.0 + 0.2 * day for day in range(1, 21)]
    said = watch_one(days_of(slow), slow, FLAT, RuleSet())
    calls = calls_of(said)
    assert calls[0].trend
    assert 6 <= calls[0].seen - 6 <= 10
    assert all(call.higher for call in calls)
    assert [WORDS[word] for word in said.words[0, calls[0].seen :]] == ["worsening"] * (
        27 - calls[0].seen
    )
    flat = [2.0] * 3 + [6.0] * 10
    assert words_of(flat)[4:] == ["worsening"] * 8 + ["stable"]
    # The same films three days apart: a level held for over a week is no news.
    assert words_of(flat, every=3.0)[4:8] == ["worsening", "worsening", "worsening", "stable"]


def test_mixed_offsets_make_no_trend(errors: ErrorModel) -> None:
    noon = START + timedelta(hours=12)
    steady = [film(day + 0.5, 4.0) for day in range(5)]
    later = [
        film(day, 4.3, taken_at=noon + timedelta(days=4, hours=hours), utc_offset_minutes=offset)
        for day, hours, offset in ((9, 0.5, None), (10, -3.0, -300), (11, -2.0, -300))
    ]
    local = sorted([*steady, *later], key=lambda item: item.taken_at)
    verdict = judge(timeline(local), errors, RuleSet())
    assert [part.calls for part in verdict.scales] == [(), ()]
    assert verdict.advice.word == "stable"
    # Times that run backwards are no ground for a line either.
    error = ScaleError((0.0, 8.0), (1.0, 1.0))
    times = [item.taken_at for item in (*steady, *later)]
    said = watch_one(times, [4.0, 4.1, 3.9, 4.0, 4.0, 4.3, 4.3, 4.3], error, RuleSet())
    assert calls_of(said) == []


def test_days_are_counted_by_utc_where_all_films_state_their_offset(errors: ErrorModel) -> None:
    moved = [film(day, 4.0, utc_offset_minutes=60) for day in range(3)]
    moved += [
        film(day, 4.0 + 0.3 * day, utc_offset_minutes=600,
             taken_at=START + timedelta(days=day, hours=9)) for day in range(3, 12)
    ]  # fmt: skip
    at_home = [replace(item, utc_offset_minutes=None) for item in moved[:3]]
    at_home += [film(day, 4.0 + 0.3 * day) for day in range(3, 12)]
    abroad, home = (judge(timeline(films), errors, RuleSet()) for films in (moved, at_home))
    assert [part.trend for part in abroad.scales] == [part.trend for part in home.scales]
    assert abroad.advice == home.advice


def test_calls_have_their_numbers() -> None:
    values = [2.0, 2.2, 1.9, 5.5, 5.4, 5.6, 2.0, 2.1]
    said = watch_one(days_of(values), values, FLAT, RuleSet())
    up, down = calls_of(said)
    assert (up.seen, up.first, up.higher, up.trend) == (4, 3, True, False)
    assert (down.seen, down.first, down.higher) == (7, 6, False)
    # The nearer of the two films, against the three before.
    assert up.difference == pytest.approx(5.4 - 2.033, abs=0.01)
    assert up.standard_error == pytest.approx(0.5 * math.sqrt(1 / 2 + 1 / 3))
    assert up.needed == RuleSet().step_errors
    assert "returned to the level before" in advice_at(said, 8, RuleSet()).reason
    most = watch_one(days_of(values), values, FLAT, RuleSet(), smallest=4.0)
    assert calls_of(most) == []


@given(values=st.lists(st.floats(1, 7), min_size=1, max_size=20))
@settings(deadline=None, max_examples=30)
def test_words_do_not_depend_on_which_way_is_up_or_on_other_series(values: list[float]) -> None:
    turned = {"worsening": "improving", "improving": "worsening"}
    near = [round(value, 6) for value in values]
    words = words_of(near)
    assert [turned.get(word, word) for word in words_of([8.0 - value for value in near])] == words
    together = watch(
        np.tile(np.arange(len(near) + 2.0), (2, 1)),
        np.array([[*near, 9.0, 9.0], [*near, 0.0, 5.0]]),
        np.array([len(near), len(near)]),
        FLAT,
        RuleSet(),
    )
    # Many at once, and what lies beyond a series' films, change nothing.
    for row in together.words:
        assert [WORDS[word] for word in row[: len(near)]] == words
        assert (row[len(near) :] == 0).all()


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
        judge(timeline(films[: count + 1]), errors, rules).advice.word
        for count in range(len(films))
    ]
    assert words == ["one film", "stable", "stable", "to be confirmed", *["worsening"] * 3]
    later = [*films, *(film(7.0 + day, 5.5) for day in range(6))]
    found = judge(timeline(later), errors, rules)
    assert found.advice.word == "stable"
    assert "since a step of" in found.advice.reason
    part = found.scales[0]
    assert part.reference == "first film"
    assert part.first_worsening is not None
    assert part.first_worsening.seen_at == START + timedelta(days=4)
    assert part.first_improvement is None
    assert [pair.verdict for pair in part.pairs].count("higher") == 1
    against = {item.against: item.verdict for item in part.comparisons}
    assert against["lowest level"] == "higher"
    assert against["highest level"] == "no detectable change"
    for word in ("ventilat", "intubat", "antibio", "treat"):  # never a treatment
        assert word not in judge(timeline(films), errors, rules).advice.reason.lower()


def test_a_rise_that_is_not_called_is_not_denied(errors: ErrorModel) -> None:
    films = [film(float(day), value) for day, value in enumerate([0.8, 2.2, 3.2, 2.6, 1.9])]
    pair = compare_films(films[0], films[2], "geographic_extent", errors)
    assert pair.verdict == "higher"
    found = judge(timeline(films), errors, RuleSet())
    # The rules, which want more than one pair of films, called nothing, and say no more.
    assert found.advice.word == "stable"
    assert "no change called in 5 films" in found.advice.reason
    assert "detectable" not in found.advice.reason


def test_the_dead_and_the_discharged_are_not_stable(errors: ErrorModel) -> None:
    films = [film(float(day), 3.0) for day in range(4)]

    def event(kind: str, day: float) -> EventRecord:
        return EventRecord("p", kind, START + timedelta(days=day))

    for events, word in (
        ((event("death", 5),), "died"),
        ((event("discharge", 5),), "discharged"),
        ((event("discharge", 1), event("admission", 2)), "stable"),
        ((event("discharge", 1), event("admission", 2), event("death", 9)), "died"),
    ):
        advice = judge(timeline(films, *events), errors, RuleSet()).advice
        assert advice.word == word
    assert "until then stable" in judge(timeline(films, event("death", 5)), errors,
                                        RuleSet()).advice.reason  # fmt: skip
    assert ended_stay([]) is None


def test_first_changes_count_from_the_start_of_treatment(errors: ErrorModel) -> None:
    course = [1, 1, 1, 5, 5, 5, 1, 1]
    films = [film(float(day), value) for day, value in enumerate(course)]
    # The rise begins before the treatment and is called after it: it is not since treatment.
    treated = EventRecord("p", "treatment_start", START + timedelta(days=3.5))
    admitted = EventRecord("p", "admission", START)
    found = judge(timeline(films, admitted, treated), errors, RuleSet()).scales[0]
    assert found.reference == "treatment_start"
    assert found.first_worsening is None
    assert found.first_improvement is not None
    against = {item.against: item for item in found.comparisons}
    assert against["treatment_start"].difference == pytest.approx(-1.2, abs=1.0)
    assert against["admission"].verdict == "no detectable change"
    admitted_only = judge(timeline(films, admitted), errors, RuleSet()).scales[0]
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
        for day, (extent, opacity) in enumerate([(2, 4), (2, 4), (6, 1), (6, 1)])
    ]
    advice = judge(timeline(films), errors, RuleSet()).advice
    assert advice.word == "worsening"
    assert "Opacity" in advice.reason
    assert judge(timeline([]), errors, RuleSet()).advice.word == "one film"


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
    assert json.loads(json.dumps(rules.as_dict()))["step_errors"] == RuleSet().step_errors
    for wrong in (
        {},
        {"name": "x"},
        content | {"step_errors": 0},
        content | {"unknown": 1},
        content | {"scales": ["length"]},
        content | {"step_errors": "x"},
        [],
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(PneumoScoreError):
            read_rules(file)


def test_the_goals_hold_in_simulation(errors: ErrorModel) -> None:
    (found,) = simulate(errors, RuleSet(), series=80, seed=5)
    # 720 stable patients, 400 rises.
    assert 0.0 < found.ever_called <= 0.05
    assert found.rise_called >= 0.90
    assert found.median_delay <= 9
    assert found.rise_said_at_end >= 0.90
    assert found.odd_called < 0.10
    assert (found.smallest_sd, found.largest_sd) == (0.3, 0.5)
    text = simulation_table([found], RuleSet(), errors).markdown()
    assert "0.30 to 0.50" in text
    assert "goal 5 % at most" in text


def test_rules_that_call_at_once_are_seen_to(errors: ErrorModel) -> None:
    eager = RuleSet(step_errors=1.0, first_step_errors=1.0, trend_errors=1.0)
    (found,) = simulate(errors, eager, series=10)
    assert found.ever_called > 0.5
    deaf = RuleSet(step_errors=99.0, first_step_errors=99.0, trend_errors=99.0)
    (silent,) = simulate(errors, deaf, series=10)
    assert (silent.ever_called, silent.rise_called) == (0.0, 0.0)
    assert silent.median_delay == math.inf


def test_the_upper_bound_of_the_error_is_simulated_too(errors: ErrorModel) -> None:
    unsure = replace(
        errors, scales={name: replace(part, high=1.5) for name, part in errors.scales.items()}
    )
    measured, upper = simulate(unsure, RuleSet(), series=20)
    assert upper.largest_sd == pytest.approx(1.5 * measured.largest_sd)
    assert upper.ever_called > measured.ever_called


def test_simulated_errors_are_heavy_and_carried_over() -> None:
    drawn = draw_errors(4000, 40, Course(), np.random.default_rng(1))
    assert drawn.std() == pytest.approx(1.0, abs=0.1)
    pairs = np.clip(drawn, -3, 3)
    assert np.corrcoef(pairs[:, :-1].ravel(), pairs[:, 1:].ravel())[0, 1] == pytest.approx(
        0.3, abs=0.05
    )
    assert (np.abs(drawn) > 4).mean() > 0.002  # normal errors: .00006
