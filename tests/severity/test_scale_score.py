import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.scale import (
    GEOGRAPHIC_EXTENT,
    OPACITY,
    OPACITY_RALO,
    SCALES,
    rescale_opacity,
    scale_named,
)
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score


def make_score(**changes) -> Score:
    values = {
        "scale": GEOGRAPHIC_EXTENT,
        "value": 3.0,
        "raw": 3.0,
        "low": 2.0,
        "high": 4.0,
        "level": 0.9,
        "right": 2.0,
        "left": 1.0,
        "intercept": 1.0,
    } | changes
    return Score(
        (ScaleScore(**values),),
        (),
        ModelIdentity("m", "1", "b 1", "0" * 64),
        Placement(1.0, 0.0, 0.0, (10, 10), 10),
        {},
    )


def test_the_two_opacity_scales_keep_their_ranges():
    assert (OPACITY.high, OPACITY_RALO.high, GEOGRAPHIC_EXTENT.high) == (6.0, 8.0, 8.0)
    assert [scale_named(scale.name) for scale in SCALES] == list(SCALES)
    assert OPACITY_RALO.title == "Opacity (RALO)"


def test_opacity_converts_by_one_factor_and_back():
    values = np.linspace(0, 8, 17)
    on_six = rescale_opacity(values, OPACITY_RALO, OPACITY)
    np.testing.assert_allclose(on_six, values * 6 / 8)
    np.testing.assert_allclose(rescale_opacity(on_six, OPACITY, OPACITY_RALO), values)
    # The spread of labels above 4 is kept in proportion to the scale, not halved.
    assert np.ptp(on_six[values >= 4]) / OPACITY.high == pytest.approx(4 / OPACITY_RALO.high)
    assert rescale_opacity(6.0, OPACITY, OPACITY_RALO) == pytest.approx(8.0)
    assert rescale_opacity(2.5, OPACITY, OPACITY) == 2.5
    with pytest.raises(ModelError, match="geographic_extent"):
        rescale_opacity(4.0, GEOGRAPHIC_EXTENT, OPACITY)


def test_an_unknown_scale_is_named_with_those_that_exist():
    with pytest.raises(ModelError, match="geographic_extent, opacity, opacity_ralo"):
        scale_named("extent")


@given(value=st.floats(0, 8), share=st.floats(0, 1), raw=st.floats(-1e6, 1e6))
def test_rounded_sides_sum_to_the_rounded_value(value, share, raw):
    right = value * share
    item = make_score(value=value, right=right, left=value - right, raw=raw).as_dict()["scores"]
    item = item["geographic_extent"]
    assert abs(item["right"] + item["left"] - item["value"]) < 1e-9
    assert item["left"] >= 0
    assert abs(item["value"] - value) <= 5e-5 + 1e-12


def test_json_keeps_scale_notice_and_unknown_interval():
    data = json.loads(json.dumps(make_score(low=None, high=None, right=None, left=None).as_dict()))
    entry = data["scores"]["geographic_extent"]
    assert entry["scale"] == [0.0, 8.0]
    assert entry["low"] is entry["high"] is entry["right"] is entry["left"] is None
    assert data["notice"] == RESEARCH_NOTICE


def test_minus_zero_is_written_as_zero():
    entry = make_score(value=0.0, raw=-1e-9, right=0.0, left=0.0, low=-0.0).as_dict()
    text = json.dumps(entry)
    assert "-0.0" not in text


def test_a_score_is_asked_by_scale_name():
    score = make_score(contributions=np.zeros((2, 2), np.float32))
    assert score["geographic_extent"].value == 3.0
    with pytest.raises(KeyError):
        score["opacity"]
