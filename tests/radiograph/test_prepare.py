"""Preparation: geometry to the pixel, ranges, and the way back to the film."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.radiograph import InputSpec, Placement, Radiograph
from pneumoscore.radiograph.prepare import Frame, film_map, prepare

sides = st.integers(1, 300)
specs = st.builds(
    InputSpec,
    st.integers(1, 96),
    st.sampled_from(["pad", "crop"]),
    st.sampled_from(["standardised", "signed_1024", "unit"]),
)


def ramp(rows, columns):
    """A film whose value is its own position: row in the first, column in the second."""
    down = (np.arange(rows) + 0.5) / rows
    across = (np.arange(columns) + 0.5) / columns
    return (
        np.repeat(down[:, None], columns, axis=1).astype(np.float32),
        np.repeat(across[None], rows, axis=0).astype(np.float32),
    )


@settings(max_examples=60, deadline=None)
@given(rows=sides, columns=sides, spec=specs)
def test_every_film_becomes_the_input_that_is_asked_for(rows, columns, spec):
    film = np.random.default_rng(rows * columns).random((rows, columns), dtype=np.float32)
    prepared = prepare(Radiograph(film), spec)
    assert prepared.array.shape == (1, spec.size, spec.size)
    assert prepared.array.dtype == np.float32
    assert np.isfinite(prepared.array).all()
    assert prepared.placement.film_shape == (rows, columns)
    low, high = {"unit": (0, 1), "signed_1024": (-1024, 1024), "standardised": (-99, 99)}[
        spec.pixel_range
    ]
    assert low - 1e-3 <= prepared.array.min()
    assert prepared.array.max() <= high + 1e-3


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(40, 400),
    columns=st.integers(40, 400),
    size=st.integers(16, 64),
    squaring=st.sampled_from(["pad", "crop"]),
)
def test_the_placement_says_where_each_film_pixel_lies(rows, columns, size, squaring):
    if max(rows, columns) > 5 * min(rows, columns):
        return
    placement = None
    for axis, film in enumerate(ramp(rows, columns)):
        prepared = prepare(Radiograph(film), InputSpec(size, squaring, "unit"))
        placement = prepared.placement
        length = (rows, columns)[axis]
        start = (placement.top, placement.left)[axis]
        # The film's value tells which film position an input pixel shows.
        centres = np.arange(size) + 0.5
        expected = ((centres - start) / placement.scale) / length
        line = prepared.array[0].max(axis=1 - axis)
        # Antialiasing is one-sided at the ends; Pillow samples its filter to a tenth of a pixel.
        margin = max(1.0, 1.0 / placement.scale) * 1.5 / length
        inner = (expected > margin) & (expected < 1 - margin)
        np.testing.assert_allclose(
            line[inner], expected[inner], atol=max(0.1, 0.03 / placement.scale) / length
        )


def test_padding_is_outside_the_film_and_black():
    film = np.full((50, 100), 0.5, dtype=np.float32)
    for pixel_range, inside, outside in (("unit", 0.5, 0.0), ("signed_1024", 0.0, -1024.0)):
        array = prepare(Radiograph(film), InputSpec(64, "pad", pixel_range)).array[0]
        assert (array[16:48] == inside).all()
        assert (array[:16] == outside).all()
        assert (array[48:] == outside).all()


def test_the_crop_is_the_central_square():
    film = np.zeros((60, 100), dtype=np.float32)
    film[:, 20:80] = 1.0
    prepared = prepare(Radiograph(film), InputSpec(60, "crop", "unit"))
    assert (prepared.array == 1.0).all()
    assert prepared.placement == Placement(1.0, 0.0, -20.0, (60, 100), 60)


def test_standardised_uses_the_film_without_its_padding():
    film = np.random.default_rng(2).random((90, 40), dtype=np.float32)
    array = prepare(Radiograph(film), InputSpec(90, "pad", "standardised")).array[0]
    inner = array[:, 25:65]
    assert inner.mean() == pytest.approx(0, abs=1e-4)
    assert inner.std() == pytest.approx(1, abs=1e-4)
    assert not array[:, :25].any()
    assert not array[:, 65:].any()


def test_standardised_does_not_see_brightness_or_contrast():
    film = np.random.default_rng(2).random((90, 80), dtype=np.float32)
    spec = InputSpec(64, "pad", "standardised")
    np.testing.assert_allclose(
        prepare(Radiograph(film * 0.3 + 0.2), spec).array,
        prepare(Radiograph(film), spec).array,
        atol=1e-4,
    )


@pytest.mark.parametrize("squaring", ["pad", "crop"])
def test_a_constant_film_becomes_zero(squaring):
    film = Radiograph(np.full((30, 40), 0.7, dtype=np.float32))
    array = prepare(film, InputSpec(16, squaring, "standardised")).array
    assert not array.any()


def test_shrinking_is_antialiased():
    stripes = np.zeros((512, 512), dtype=np.float32)
    stripes[:, ::2] = 1.0
    array = prepare(Radiograph(stripes), InputSpec(64, "pad", "unit")).array
    assert np.abs(array - 0.5).max() < 0.1


@pytest.mark.parametrize(
    "values",
    [(8, "stretch", "unit"), (8, "pad", "0-255"), (0, "pad", "unit"), (8, "lungs", "unit", 0.5)],
)
def test_an_impossible_spec_is_refused(values):
    with pytest.raises(ValueError, match=r"expected|is not a valid"):
        InputSpec(*values)


def bilinear_by_hand(map_, placement, input_size, row, column):
    size = map_.shape[0]
    y = (row + 0.5) * placement.scale + placement.top
    x = (column + 0.5) * placement.scale + placement.left
    if min(y, x) <= -1 or max(y, x) >= input_size + 1:
        return 0.0  # the input does not show it
    y, x = y * size / input_size - 0.5, x * size / input_size - 0.5
    y, x = np.clip((y, x), 0, size - 1)
    y0, x0 = int(min(y, size - 2)), int(min(x, size - 2))
    fy, fx = y - y0, x - x0
    top = map_[y0, x0] * (1 - fx) + map_[y0, x0 + 1] * fx
    bottom = map_[y0 + 1, x0] * (1 - fx) + map_[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 120),
    columns=st.integers(1, 120),
    places=st.integers(2, 9),
    squaring=st.sampled_from(["pad", "crop"]),
)
def test_a_map_lies_on_the_film_where_the_placement_says(rows, columns, places, squaring):
    film = Radiograph(np.ones((rows, columns), dtype=np.float32))
    placement = prepare(film, InputSpec(64, squaring, "unit")).placement
    map_ = np.random.default_rng(places).normal(size=(places, places)).astype(np.float32)
    spread = film_map(map_, placement)
    assert spread.shape == (rows, columns)
    for row, column in ((0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)):
        expected = bilinear_by_hand(map_, placement, 64, row, column)
        assert spread[row, column] == pytest.approx(expected, abs=1e-4)


def test_a_map_of_one_place_is_constant():
    placement = Placement(0.5, 0.0, 0.0, (4, 6), 8)
    np.testing.assert_array_equal(film_map(np.full((1, 1), 3.0), placement), np.full((4, 6), 3))


# Some of a frame lies on the film of 110 x 90.
frames = st.builds(Frame, st.floats(-60, 60), st.floats(-60, 60), st.floats(20, 300)).filter(
    lambda frame: min(frame.top, frame.left) + frame.side > 0
)


@settings(max_examples=60, deadline=None)
@given(frame=frames, size=st.integers(16, 96))
def test_a_frame_shows_each_part_of_the_film_where_its_placement_says(frame, size):
    rows, columns = 110, 90
    spec = InputSpec(size, "lungs", "unit", 1.1)
    for axis, film in enumerate(ramp(rows, columns)):
        prepared = prepare(Radiograph(film), spec, frame)
        placement = prepared.placement
        assert placement.input_size == size
        assert placement.scale == pytest.approx(size / frame.side)
        length = (rows, columns)[axis]
        start = (placement.top, placement.left)[axis]
        position = (np.arange(size) + 0.5 - start) / placement.scale
        line = prepared.array[0].max(axis=1 - axis)
        margin = max(1.0, 1.0 / placement.scale) * 1.5
        low = max(0.0, (frame.top, frame.left)[axis]) + margin
        high = min(length, (frame.top, frame.left)[axis] + frame.side) - margin
        inner = (position > low) & (position < high)
        np.testing.assert_allclose(line[inner], position[inner] / length, atol=0.5 / length)
        outside = (position < -1 / placement.scale) | (position > length + 1 / placement.scale)
        assert not line[outside].any()


def test_a_map_is_nothing_where_the_frame_does_not_reach():
    film = Radiograph(np.ones((100, 80), dtype=np.float32))
    spec = InputSpec(32, "lungs", "unit", 1.1)
    placement = prepare(film, spec, Frame(20, 10, 40)).placement
    spread = film_map(np.ones((4, 4)), placement)
    assert (spread[20:60, 10:50] == 1).all()
    assert not spread[:18].any()
    assert not spread[:, 52:].any()


def test_the_placement_of_a_smaller_copy_draws_the_same_map():
    film = Radiograph(np.ones((200, 160), dtype=np.float32))
    placement = prepare(film, InputSpec(64, "lungs", "unit", 1.2), Frame(30, 20, 120)).placement
    map_ = np.random.default_rng(0).normal(size=(7, 7))
    small = film_map(map_, placement.of_copy((100, 80)))
    whole = film_map(map_, placement).reshape(100, 2, 80, 2).mean((1, 3))
    inner = np.s_[20:70, 15:65]
    np.testing.assert_allclose(small[inner], whole[inner], atol=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01])
def test_a_radiograph_holds_numbers_from_0_to_1_alone(value):
    pixels = np.full((4, 5), 0.5, dtype=np.float32)
    pixels[2, 3] = value
    with pytest.raises(ValueError, match="finite"):
        Radiograph(pixels)
