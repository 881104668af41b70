import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.backbone.record import BackboneOutput, load_record
from pneumoscore.errors import ModelError
from pneumoscore.forms import from_form, to_form
from pneumoscore.severity.features import FEATURE_SETS, finding_inputs, select_features
from pneumoscore.severity.head import Head, contribution_map
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT

FINDINGS = ("Effusion", "Lung Opacity", "Pneumonia", "Infiltration", "Consolidation")


def output(n=3, seed=0):
    random = np.random.default_rng(seed)
    feature_map = random.normal(size=(n, 4, 5, 5)).astype(np.float32)
    return BackboneOutput(
        random.normal(size=(n, 5)).astype(np.float32),
        feature_map.mean(axis=(2, 3), dtype=np.float64).astype(np.float32),
        feature_map,
    )


@pytest.mark.parametrize(
    ("feature_set", "columns"),
    [
        ("lung_opacity", [1]),
        ("four_findings", [1, 2, 3, 4]),
        ("findings", [0, 1, 2, 3, 4]),
        ("none", []),
    ],
)
def test_feature_sets_take_their_findings_in_order(feature_set, columns):
    films = output()
    selected = select_features(films, feature_set, FINDINGS)
    np.testing.assert_array_equal(selected, films.findings[:, columns])
    assert finding_inputs(feature_set, FINDINGS) == tuple(FINDINGS[i] for i in columns)


def test_the_set_of_features_is_the_pooled_vector():
    films = output()
    np.testing.assert_array_equal(select_features(films, "features", FINDINGS), films.features)


def test_missing_findings_and_unknown_sets_are_named():
    with pytest.raises(ModelError, match="Pneumonia, Infiltration, Consolidation"):
        finding_inputs("four_findings", ("Lung Opacity",))
    with pytest.raises(ModelError, match=", ".join(FEATURE_SETS)):
        finding_inputs("all", FINDINGS)


def test_a_head_takes_its_findings_by_name_not_by_place():
    head = Head(GEOGRAPHIC_EXTENT, "findings", np.array([2.0]), 1.0, None, ("Pneumonia",))
    films = output()
    np.testing.assert_allclose(
        head.predict(head.inputs(films, FINDINGS)), 2.0 * films.findings[:, 2] + 1.0, rtol=1e-6
    )


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.01, 100), intercept=st.floats(-5, 10))
def test_the_contribution_map_sums_to_raw_minus_intercept(seed, size, intercept):
    films = output(1, seed)
    coefficients = np.random.default_rng(seed + 1).normal(size=4) * size
    head = Head(GEOGRAPHIC_EXTENT, "features", coefficients, intercept)
    raw = head.predict(head.inputs(films, FINDINGS))[0]
    places = contribution_map(films.feature_map, head.coefficients)
    assert places.shape == (1, 5, 5)
    assert abs(places.sum() - (raw - intercept)) < 1e-4 * max(1, size)


def test_a_head_on_findings_is_linear_in_the_features_if_the_record_holds_the_weights(
    tiny_model, tmp_path
):
    from pneumoscore.backbone.session import Backbone

    backbone = Backbone.open(tiny_model.write_backbone(tmp_path), threads=1)
    names = ("Lung Opacity", "Consolidation")
    head = Head(GEOGRAPHIC_EXTENT, "findings", np.array([1.5, -0.5]), 2.0, None, names)
    films = np.random.default_rng(0).normal(size=(3, 1, 64, 64)).astype(np.float32)
    out = backbone.run(films)
    form = head.linear_form(backbone.record)
    np.testing.assert_allclose(
        out.features @ form.coefficients + form.intercept,
        head.predict(head.inputs(out, backbone.record.findings)),
        atol=1e-5,
    )


def test_without_the_weights_a_head_on_findings_has_no_linear_form(tiny_model, tmp_path):
    record = load_record(tiny_model.write_backbone(tmp_path))
    object.__setattr__(record, "details", {})
    head = Head(GEOGRAPHIC_EXTENT, "lung_opacity", np.array([1.0]), 0.0, None, ("Lung Opacity",))
    assert head.linear_form(record) is None
    object.__setattr__(record, "details", {"findings_weight": [[1.0]]})
    with pytest.raises(ModelError, match="findings_weight"):
        head.linear_form(record)


def test_a_head_that_does_not_fit_its_backbone_is_refused(tiny_model, tmp_path):
    record = load_record(tiny_model.write_backbone(tmp_path))
    with pytest.raises(ModelError, match="7 coefficients"):
        Head(GEOGRAPHIC_EXTENT, "features", np.ones(7), 0.0).check(record)
    with pytest.raises(ModelError, match="Hernia"):
        Head(GEOGRAPHIC_EXTENT, "findings", np.ones(1), 0.0, None, ("Hernia",)).check(record)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": "extent"},
        {"feature_set": "pixels"},
        {"coefficients": [1.0, 2.0]},
        {"coefficients": [[1.0]]},
        {"coefficients": ["a"]},
        {"coefficients": [float("nan")]},
        {"intercept": None},
        {"interval": {"residuals": []}},
        {"interval": 3},
    ],
)
def test_damaged_heads_are_refused(change):
    head = Head(GEOGRAPHIC_EXTENT, "lung_opacity", np.ones(1), 0.5, None, ("Lung Opacity",))
    good = to_form(head)
    assert to_form(from_form(Head, good, "a head")) == good
    with pytest.raises(ModelError):
        from_form(Head, good | change, "a head")
