import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.backbone.record import BackboneOutput
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import Placement, Radiograph, RadiographMetadata
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.quality import FLAGS, REFUSING, QualityGate, lung_at_edge
from pneumoscore.severity.view import ViewClassifier

WHOLE = Placement(0.5, 0.0, 0.0, (128, 128), 64)


def noise(rows=200, columns=200, **changes) -> Radiograph:
    random = np.random.default_rng(0)
    return Radiograph(random.uniform(size=(rows, columns)).astype(np.float32), **changes)


def output(features, lungs=None) -> BackboneOutput:
    features = np.asarray(features, dtype=np.float32)
    n = len(features)
    return BackboneOutput(
        np.zeros((n, 1), np.float32), features, np.zeros((n, features.shape[1], 1, 1)), lungs
    )


def classifier(least_frontal=0.5) -> ViewClassifier:
    # Feature 0 speaks for lateral, feature 1 for inverted.
    return ViewClassifier(
        ("lateral", "frontal", "inverted"),
        np.array([[4.0, 0.0], [0.0, 0.0], [0.0, 4.0]], np.float32),
        np.array([-2.0, 2.0, -2.0], np.float32),
        least_frontal,
    )


def test_a_classifier_may_see_how_the_features_spread_over_the_places():
    maps = np.zeros((2, 1, 2, 2), np.float32)
    maps[0] = 0.5
    maps[1, 0, 0] = 1.0  # the same mean, on one side alone
    films = BackboneOutput(np.zeros((2, 1), np.float32), maps.mean((2, 3)), maps)
    uneven = np.array([[0.0, 0.0], [0.0, 9.0]])  # the deviation speaks for lateral
    view = ViewClassifier(("frontal", "lateral"), uneven, np.array([2.0, 0.0]), 0.5)
    gate = QualityGate(view)
    gate.check(1)
    assert gate.output_flags(films, (WHOLE, WHOLE)) == [(), ("lateral",)]
    with pytest.raises(ModelError, match="2 features"):
        gate.check(3)


def test_a_usual_film_has_no_flag():
    assert QualityGate().film_flags(noise()) == ()


def test_small_and_constant_films_are_flagged_in_order():
    film = Radiograph(np.full((40, 300), 0.4, np.float32))
    assert QualityGate().film_flags(film) == ("too_few_pixels", "almost_constant")


def test_a_few_bright_pixels_do_not_hide_a_constant_film():
    pixels = np.full((400, 400), 0.4, np.float32)
    pixels[:2] = 1.0
    assert QualityGate().film_flags(Radiograph(pixels)) == ("almost_constant",)


@pytest.mark.parametrize(
    ("view", "lateral"), [("LL", True), ("rl ", True), ("LLD", False), ("PA", False), (None, False)]
)
def test_the_files_view_position_tells_laterals_but_not_decubitus(view, lateral):
    film = noise(metadata=RadiographMetadata(view=view))
    assert ("lateral" in QualityGate().film_flags(film)) is lateral


def test_the_readers_inversion_counts_only_without_a_classifier():
    film = noise(notices=("inverted", "something else"))
    assert QualityGate().film_flags(film) == ("inverted",)
    assert QualityGate(view=classifier()).film_flags(film) == ()


def test_the_classifier_names_the_likeliest_other_class():
    gate = QualityGate(view=classifier())
    flags = gate.output_flags(output([[0, 0], [2, 0], [0, 2], [2, 3]]), [WHOLE] * 4)
    assert flags == [(), ("lateral",), ("inverted",), ("inverted",)]


def test_probabilities_sum_to_one_also_for_huge_logits():
    chances = classifier().probabilities(np.array([[1e6, -1e6], [0.0, 0.0]]))
    assert np.isfinite(chances).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)


@given(least=st.tuples(st.floats(0, 1), st.floats(0, 1)), feature=st.floats(-3, 3))
def test_a_stricter_threshold_never_accepts_more(least, feature):
    lax, strict = sorted(least)
    features = np.array([[feature, 0.0]])
    if classifier(lax).flags(features) != [None]:
        assert classifier(strict).flags(features) != [None]


def test_distance_is_mahalanobis_when_all_components_are_kept():
    random = np.random.default_rng(2)
    cloud = random.normal(size=(5000, 3)) * [1.0, 2.0, 5.0] + [3.0, 0.0, -1.0]
    familiar = Familiarity(
        centre=cloud.mean(axis=0),
        components=np.diag(1 / cloud.std(axis=0)),
        directions=cloud.std(axis=0),
        remainder=1.0,
        farthest=2.0,
    )
    points = random.normal(size=(20, 3)) * 6
    inverse = np.diag(1 / cloud.var(axis=0))
    offset = points - cloud.mean(axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", offset, inverse, offset) / 3)
    np.testing.assert_allclose(familiar.distances(points), expected, rtol=1e-4)


def test_what_lies_outside_the_components_counts_too():
    familiar = Familiarity(np.zeros(3), np.array([[1.0, 0, 0]]), np.ones(1), 0.1, 3.0)
    near, far = familiar.distances(np.array([[0.5, 0.1, 0.0], [0.5, 2.0, 0.0]]))
    assert near < 1 < 3 < far
    gate = QualityGate(familiarity=familiar)
    flags = gate.output_flags(output([[0.5, 0.1, 0.0], [0.5, 2.0, 0.0]]), [WHOLE] * 2)
    assert flags == [("view_not_checked",), ("outside_training", "view_not_checked")]


def test_lungs_at_the_films_edge_are_found_whatever_the_padding():
    lungs = np.zeros((2, 8, 8))
    lungs[0, 1:7, 2:4] = 0.9  # the film covers columns 2 to 5 only
    narrow = Placement(0.5, 0.0, 16.0, (128, 64), 64)
    assert lung_at_edge(lungs, WHOLE) == 0.0
    assert lung_at_edge(lungs, narrow) == pytest.approx(0.9 * 6 / 8)
    gate = QualityGate(most_lung_at_edge=0.5)
    both = np.stack([lungs, lungs]).astype(np.float32)
    flags = gate.output_flags(output([[0.0], [0.0]], both), [WHOLE, narrow])
    assert flags == [("view_not_checked",), ("lungs_cut_off", "view_not_checked")]


def test_an_edge_that_the_input_does_not_show_counts_for_nothing():
    lungs = np.zeros((2, 8, 8))
    lungs[1, :, 7] = 1.0
    framed = Placement(0.5, 0.0, -20.0, (128, 208), 64)
    assert lung_at_edge(lungs, framed) == 0.125
    lungs[1, 0] = 1.0
    assert lung_at_edge(lungs, framed) == 1.0


@given(
    rows=st.integers(1, 400),
    columns=st.integers(1, 400),
    top=st.floats(-50, 64),
    scale=st.floats(0.01, 2),
)
def test_lungs_at_the_edge_never_fail(rows, columns, top, scale):
    lungs = np.full((2, 8, 8), 0.5)
    assert 0 <= lung_at_edge(lungs, Placement(scale, top, 0.0, (rows, columns), 64)) <= 1


def test_which_flags_refuse_is_the_gates_own_choice():
    assert QualityGate().refused_by(FLAGS) == REFUSING
    assert QualityGate(refusing=("lateral",)).refused_by(FLAGS) == ("two_films", "lateral")
    with pytest.raises(ModelError, match="sideways"):
        QualityGate(refusing=("sideways",))


def test_gates_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="2 features"):
        QualityGate(view=classifier()).check(3)
    with pytest.raises(ModelError, match="one row for each"):
        ViewClassifier(("frontal", "lateral"), np.zeros((3, 2)), np.zeros(2), 0.5)
    with pytest.raises(ModelError, match="frontal and some of"):
        ViewClassifier(("lateral", "inverted"), np.zeros((2, 2)), np.zeros(2), 0.5)
    with pytest.raises(ModelError, match="finite"):
        Familiarity(np.array([np.nan]), np.zeros((0, 1)), np.zeros(0), 1.0, 1.0)


FRONTAL = {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1", "patient_orientation": ("L", "F")}


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        (FRONTAL, ()),
        ({}, ()),
        ({"patient_age_years": 4.0}, ("child",)),
        ({"patient_age_years": 17.9}, ("child",)),
        ({"patient_age_years": 18.0}, ()),
        ({"body_part": "ABDOMEN"}, ("other_body_part",)),
        ({"body_part": "RIGHT HAND"}, ("other_body_part",)),
        ({"body_part": "CHEST"}, ()),
        ({"body_part": "CHEST_TO_ABDOMEN"}, ()),
        ({"body_part": "THORAX AP LIEGEND"}, ()),
        ({"body_part": "PORTABLE"}, ()),
        ({**FRONTAL, "patient_orientation": None}, ("side_not_stated",)),
        ({**FRONTAL, "patient_orientation": ("A", "F")}, ("lateral",)),
        ({**FRONTAL, "patient_orientation": ("PL", "F")}, ("lateral",)),
        ({**FRONTAL, "patient_orientation": ("R", "F")}, ()),
    ],
)
def test_flags_that_follow_from_what_the_file_says(said, flags):
    film = noise(metadata=RadiographMetadata(**said))
    assert QualityGate().film_flags(film) == flags


def test_two_films_are_refused_by_every_gate():
    gate = QualityGate(refusing=())
    assert gate.refused_by(gate.film_flags(noise(notices=("two_films",)))) == ("two_films",)
