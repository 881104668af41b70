"""Borders are found whatever their grey, and films without one are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from pneumoscore.radiograph import ReadOptions, read_radiograph

SHADES = {"black": 0, "white": 255, "grey": 128}


@pytest.fixture
def film(files):
    return files.synthetic_film(200, 160)


def bordered(film, top, bottom, left, right, shade):
    return np.pad(film, ((top, bottom), (left, right)), constant_values=shade)


@pytest.mark.parametrize("shade", SHADES.values(), ids=SHADES)
@pytest.mark.parametrize(
    "sides", [(8, 8, 6, 6), (24, 24, 19, 19), (0, 60, 0, 0), (0, 0, 20, 20), (3, 0, 0, 40)]
)
def test_an_even_border_is_cut_off(files, film, sides, shade):
    read = read_radiograph(files.raster_file(bordered(film, *sides, shade), "PNG"))
    np.testing.assert_allclose(read.pixels, film / 255, atol=1e-6)
    assert read.origin.at(0, 0) == (sides[0], sides[2])
    assert read.transforms[-1] == "trimmed {}/{}/{}/{}".format(*sides)


def test_a_frame_within_a_frame(files, film):
    inner = bordered(film, 10, 10, 10, 10, 255)
    read = read_radiograph(files.raster_file(bordered(inner, 5, 5, 25, 25, 0), "PNG"))
    np.testing.assert_allclose(read.pixels, film / 255, atol=1e-6)


def test_a_border_with_the_noise_of_a_jpeg(files, film):
    data = files.raster_file(bordered(film, 24, 24, 24, 24, 0), "JPEG", quality=90)
    read = read_radiograph(data)
    assert np.abs(np.array(read.pixels.shape) - film.shape).max() <= 8


@pytest.mark.parametrize("name", ["no border", "one row", "constant", "all rows even", "half"])
def test_what_is_no_border_is_left(files, film, name):
    picture = {
        "no border": film,
        "one row": bordered(film, 1, 0, 0, 0, 0),
        "constant": np.full((200, 160), 90, np.uint8),
        "all rows even": np.repeat(np.arange(200, dtype=np.uint8)[:, None], 160, axis=1),
        "half": bordered(film[:60], 140, 0, 0, 0, 0),
    }[name]
    read = read_radiograph(files.raster_file(picture, "PNG"))
    assert read.pixels.shape == picture.shape


def test_trimming_is_an_option(files, film):
    data = files.raster_file(bordered(film, 20, 20, 20, 20, 0), "PNG")
    assert read_radiograph(data, options=ReadOptions(trim=False)).pixels.shape == (240, 200)


@pytest.mark.shared_data
def test_borders_move_no_score(files, shared_data):
    from PIL import Image

    from pneumoscore.severity.model import SeverityModel

    model = SeverityModel.open()
    for path in sorted((shared_data / "scored").iterdir())[5:8]:
        plain = np.asarray(Image.open(path).convert("L").resize((400, 400)))
        films = [plain, *(bordered(plain, w, w, w, w, s) for w, s in ((16, 0), (48, 255)))]
        scores = [
            model.score(read_radiograph(files.raster_file(film, "PNG")), force=True)
            for film in films
        ]
        for score in scores[1:]:
            for item, right in zip(score.scales, scores[0].scales, strict=True):
                assert item.raw == pytest.approx(right.raw, abs=1e-3), path.name
