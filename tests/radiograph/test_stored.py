"""What is drawn on a radiograph lies where it belongs on the stored image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.radiograph import Origin, ReadOptions, read_radiograph
from pneumoscore.radiograph.stored import on_stored_image


@pytest.mark.parametrize("orientation", ["LF", "RF", "LH", "RH", "FL", "FR", "HL", "HR"])
@pytest.mark.parametrize("side", [None, 60])
def test_a_film_laid_over_its_file_is_the_file(files, orientation, side):
    film = files.synthetic_film(202, 180, bits=12)
    stored = np.pad(film, ((20, 4), (0, 30)), constant_values=0)
    data = files.dicom_file(
        stored,
        bits_stored=12,
        WindowCenter=2048,
        WindowWidth=4096,
        PatientOrientation=list(orientation),
    )
    read = read_radiograph(data, options=ReadOptions(least_side=side))
    assert read.transforms[-1].startswith("trimmed")
    back = on_stored_image(read.pixels, read.origin)
    assert back.shape == stored.shape
    if side is None:
        np.testing.assert_allclose(back, stored / 4095, atol=1e-6)
    else:
        assert np.abs(back - stored / 4095).mean() < 0.03


def test_what_was_trimmed_holds_nothing():
    origin = Origin((6, 5)).moved(2, 1)
    found = on_stored_image(np.ones((3, 3), bool), origin)
    assert found.sum() == 9
    assert found[2:5, 1:4].all()


@given(
    scale=st.floats(0.25, 8.0),
    turn=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    at=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)
def test_a_place_of_the_stored_image_is_found_again(scale, turn, at):
    origin = Origin((30, 20)).scaled(scale, scale).moved(3, 2)
    transposed, flipped, mirrored = turn
    origin = origin.transposed() if transposed else origin
    origin = origin.upside_down(9) if flipped else origin
    origin = origin.mirrored(7) if mirrored else origin
    assert origin.place(*origin.at(*at)) == pytest.approx(at, abs=1e-9)
    assert origin.stored_pixels == pytest.approx(scale)
