import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT
from pneumoscore.severity.sides import midline, right_share, split_sides


def lungs(shift=0):
    places = np.zeros((2, 8, 12))
    places[0, 2:6, 1 + shift : 4 + shift] = 0.8
    places[1, 2:6, 6 + shift : 9 + shift] = 0.8
    return places


maps = arrays(np.float64, (6, 6), elements=st.floats(-3, 3))


@given(places=maps, intercept=st.floats(-4, 8))
def test_the_sides_sum_to_the_value_and_lie_in_half_the_range(places, intercept):
    value = GEOGRAPHIC_EXTENT.clip(intercept + places.sum())
    right, left = split_sides(value, intercept, places, GEOGRAPHIC_EXTENT)
    assert abs(right + left - value) < 1e-12
    assert -1e-12 <= right <= 4 + 1e-12
    assert -1e-12 <= left <= 4 + 1e-12


@given(places=maps, intercept=st.floats(-4, 8))
def test_mirroring_the_map_swaps_the_sides(places, intercept):
    value = GEOGRAPHIC_EXTENT.clip(intercept + places.sum())
    right, left = split_sides(value, intercept, places, GEOGRAPHIC_EXTENT)
    mirrored = split_sides(value, intercept, places[:, ::-1], GEOGRAPHIC_EXTENT)
    np.testing.assert_allclose(mirrored, (left, right), atol=1e-9)


def test_an_opacity_at_the_left_of_the_image_is_the_right_lungs():
    places = np.zeros((7, 7))
    places[3, 1] = 3.0
    assert split_sides(3.0, 0.0, places, GEOGRAPHIC_EXTENT) == (3.0, 0.0)


def test_the_middle_column_of_an_odd_map_is_shared():
    places = np.zeros((7, 7))
    places[2, 3] = 2.0
    assert split_sides(2.0, 0.0, places, GEOGRAPHIC_EXTENT) == (1.0, 1.0)


def test_what_exceeds_one_lungs_range_goes_to_the_other():
    places = np.zeros((4, 4))
    places[0, 0] = 7.0
    assert split_sides(7.0, 0.0, places, GEOGRAPHIC_EXTENT) == (4.0, 3.0)


def test_the_midline_follows_the_lungs():
    np.testing.assert_allclose([midline(lungs()), midline(lungs(3))], [5.0, 8.0])
    assert midline(np.zeros((2, 8, 12))) == 6.0
    assert midline(lungs()[::-1]) == 6.0  # lungs on the wrong sides are not believed


def test_places_in_a_lung_go_to_it_even_across_the_midline():
    seen = lungs()
    seen[1, 3, 3:5] = 0.9  # the left lung reaches over the midline
    share = right_share((8, 12), seen)
    assert share[3, 3] == 0.0
    assert share[4, 3] == 1.0
    assert share[0, 0] == 1.0
    assert share[0, 11] == 0.0
    # With a film shifted to the image's right the middle column would be wrong.
    assert right_share((8, 12), lungs(3))[0, 7] == 1.0
    assert right_share((8, 12))[0, 7] == 0.0


def test_no_contribution_and_no_value_give_no_sides():
    assert split_sides(0.0, -2.0, np.zeros((3, 3)), GEOGRAPHIC_EXTENT) == (0.0, 0.0)
    assert split_sides(8.0, 20.0, np.zeros((3, 3)), GEOGRAPHIC_EXTENT) == (4.0, 4.0)
