"""The frame around the lungs: found on a film however wide, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pneumoscore.backbone.lungs import lung_frame, prepare_film
from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.radiograph import InputSpec, Radiograph, ReadOptions, read_radiograph
from pneumoscore.radiograph.prepare import prepare

SPEC = InputSpec(224, "lungs", "standardised", 1.1)


@pytest.fixture(scope="module")
def film():
    return Radiograph(render_phantom(PhantomSpec(seed=3)).pixels)


def test_the_frame_holds_the_lungs_and_little_more(film):
    frame = lung_frame(film, 1.0)
    assert frame is not None
    assert 0.4 * max(film.pixels.shape) < frame.side <= 1.1 * max(film.pixels.shape)


@pytest.mark.parametrize("grey", [0.0, 1.0])
def test_a_border_hardly_moves_the_frame(film, grey):
    frame = lung_frame(film, 1.0)
    rows, columns = (round(0.3 * length) for length in film.pixels.shape)
    wide = np.pad(film.pixels, ((rows, rows), (columns, columns)), constant_values=grey)
    moved = lung_frame(Radiograph(wide), 1.0)
    assert moved is not None
    assert moved.side == pytest.approx(frame.side, rel=0.1)
    assert moved.top - rows == pytest.approx(frame.top, abs=0.08 * frame.side)
    assert moved.left - columns == pytest.approx(frame.left, abs=0.08 * frame.side)


def test_without_lungs_the_whole_film_is_shown_and_a_notice_says_so():
    ramp = np.linspace(0, 1, 300, dtype=np.float32)
    plain = Radiograph(np.repeat(ramp[:, None], 200, axis=1))
    prepared = prepare_film(plain, SPEC)
    assert prepared.notices == ("no_lungs_found",)
    np.testing.assert_array_equal(prepared.array, prepare(plain, SPEC).array)


def test_a_backbone_that_wants_no_frame_gets_the_film_as_ever(film):
    spec = InputSpec(64, "pad", "standardised")
    prepared = prepare_film(film, spec)
    np.testing.assert_array_equal(prepared.array, prepare(film, spec).array)
    assert prepared.notices == ()


def picture_of(film: Radiograph, side: int, shape: tuple[int, int]) -> bytes:
    """Return a PNG file of a film, `side` pixels wide, amid something that is no even border."""
    image = Image.fromarray(film.pixels).resize((side, side), Image.Resampling.BILINEAR)
    down, across = (np.linspace(0.3, 1.0, length, dtype=np.float32) for length in shape)
    pixels = 0.6 * down[:, None] * across[None, :]
    top, left = ((length - side) // 2 for length in shape)
    pixels[top : top + side, left : left + side] = np.asarray(image)
    file = BytesIO()
    Image.fromarray(np.rint(pixels * 65535).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("shape", [(1251, 1379), (1900, 1803), (2410, 2599)])
def test_the_lungs_are_found_in_one_place_however_many_pixels_are_read(film, shape):
    data = picture_of(film, 1100, shape)
    small = read_radiograph(data)
    whole = read_radiograph(data, options=ReadOptions(least_side=None))
    factor = small.origin.stored_pixels
    assert factor > 1
    frame, right = lung_frame(small, 1.1), lung_frame(whole, 1.1)
    for found, expected in ((frame.top, right.top), (frame.left, right.left)):
        assert found * factor == pytest.approx(expected, abs=1e-3 * right.side)
    assert frame.side * factor == pytest.approx(right.side, rel=1e-3)


def test_small_lungs_on_a_large_film_are_read_again_with_more_pixels(film):
    data = picture_of(film, 1100, (2450, 2610))
    small = read_radiograph(data)
    whole = read_radiograph(data, options=ReadOptions(least_side=None))
    prepared, right = prepare_film(small, SPEC), prepare_film(whole, SPEC)
    coarse = prepare(replace(small), SPEC, lung_frame(small, SPEC.margin))
    assert np.abs(prepared.array - right.array).mean() < 1e-4
    assert np.abs(coarse.array - right.array).mean() > 1e-3
    assert prepared.placement == coarse.placement


def test_enough_pixels_are_not_read_again(film, monkeypatch):
    def never(*_: object) -> Radiograph:
        raise AssertionError("read again")

    monkeypatch.setattr("pneumoscore.radiograph.read._again", never)
    small = read_radiograph(picture_of(film, 2400, (2410, 2599)))
    prepare_film(small, SPEC)
    with pytest.raises(AssertionError, match="read again"):
        small.finer(None)


def test_a_network_with_a_larger_input_gets_more_pixels():
    ramp = np.linspace(0, 1, 1500, dtype=np.float32)
    rings = np.abs(np.sin(60 * ramp))[:, None] * np.abs(np.sin(80 * ramp))[None, :]
    file = BytesIO()
    Image.fromarray(np.rint(rings * 255).astype(np.uint8)).save(file, "PNG")
    small = read_radiograph(file.getvalue())
    whole = read_radiograph(file.getvalue(), options=ReadOptions(least_side=None))
    assert small.rows == 750
    for squaring in ("pad", "crop"):
        spec = InputSpec(512, squaring, "standardised")
        np.testing.assert_array_equal(prepare_film(small, spec).array, prepare(whole, spec).array)
