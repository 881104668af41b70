"""The frame around the lungs: found on a film however wide, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from pneumoscore.backbone.lungs import lung_frame, prepare_film
from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.radiograph import InputSpec, Radiograph
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
