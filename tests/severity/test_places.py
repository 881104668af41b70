from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.errors import ModelError
from pneumoscore.radiograph import Radiograph
from pneumoscore.severity.bundle import bundle_hash, read_bundle, write_bundle
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.places import Places


def feature_map(seed=0):
    return np.random.default_rng(seed).normal(size=(4, 6, 6)).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), raw=st.floats(-3, 12))
def test_the_shares_sum_to_the_score_and_none_is_negative(seed, raw):
    places = Places(np.random.default_rng(seed + 1).normal(size=4), -0.3)
    intercept, shared = places.shared(raw, feature_map(seed))
    assert intercept == min(raw, 0.0)
    assert shared.sum() == pytest.approx(raw - intercept, abs=1e-9)
    assert (shared >= 0).all()


def test_a_place_gets_in_proportion_to_what_is_marked_there():
    features = np.zeros((4, 6, 6), dtype=np.float32)
    features[1, 2, 3], features[1, 4, 4] = 20.0, 40.0
    _, shared = Places(np.array([0.0, 1.0, 0.0, 0.0]), 0.0).shared(6.0, features)
    assert shared[4, 4] / shared[2, 3] == pytest.approx(2.0, rel=0.01)
    assert shared[4, 4] + shared[2, 3] == pytest.approx(6.0, rel=0.05)


def test_a_film_without_a_mark_spreads_its_score_evenly():
    _, shared = Places(np.zeros(4), -1.0).shared(3.6, feature_map())
    np.testing.assert_allclose(shared, 0.1)


def test_places_are_finite_numbers():
    with pytest.raises(ModelError, match="finite"):
        Places(np.array([1.0, np.nan]), 0.0)


@pytest.fixture
def folder(tiny_model, tmp_path):
    return tiny_model.write_model(tmp_path)


def test_places_change_where_a_score_comes_from_and_not_how_much(folder):
    film = Radiograph(np.random.default_rng(3).random((90, 80), dtype=np.float32))
    plain = SeverityModel.open(folder)
    bundle = read_bundle(folder)
    width = plain.backbone.record.feature_width
    places = Places(np.linspace(1, 2, width), 0.0)
    heads = tuple(replace(head, places=places) for head in bundle.heads)
    other = SeverityModel(replace(bundle, heads=heads), plain.backbone)
    before, after = (model.score(film, force=True)["geographic_extent"] for model in (plain, other))
    assert after.value == before.value
    assert after.right is not None
    assert after.left is not None
    assert after.right + after.left == pytest.approx(after.value)
    assert after.intercept + after.contributions.sum() == pytest.approx(after.raw, abs=1e-4)
    assert other.identity.sha256 != plain.identity.sha256


def test_places_are_kept_in_a_bundle(folder, tmp_path):
    bundle = read_bundle(folder)
    record = SeverityModel.open(folder).backbone.record
    places = Places(np.arange(record.feature_width) / 7, -0.25)
    changed = replace(bundle, heads=tuple(replace(head, places=places) for head in bundle.heads))
    write_bundle(changed, tmp_path / "again")
    found = read_bundle(tmp_path / "again")
    np.testing.assert_array_equal(found.heads[0].places.coefficients, places.coefficients)
    assert bundle_hash(found, record) == bundle_hash(changed, record)


def test_places_of_another_width_are_refused(folder):
    bundle = read_bundle(folder)
    places = Places(np.zeros(3), 0.0)
    heads = tuple(replace(head, places=places) for head in bundle.heads)
    with pytest.raises(ModelError, match="places"):
        SeverityModel(replace(bundle, heads=heads), SeverityModel.open(folder).backbone)
