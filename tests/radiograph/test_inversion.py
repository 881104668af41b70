"""What the pixels alone say."""

from __future__ import annotations

import numpy as np
import pytest

from pneumoscore.radiograph import read_radiograph
from pneumoscore.radiograph.inversion import polarity
from pneumoscore.radiograph.notices import MIN_SIDE, notices_of, spread_of


@pytest.mark.shared_data
@pytest.mark.parametrize("folder", ["cohen94", "scored", "cohen_other", "hannover"])
def test_inverted_exports_are_told_from_films_as_they_are(shared_data, folder):
    for path in sorted((shared_data / folder).iterdir())[::4]:
        pixels = read_radiograph(path).pixels
        assert "inverted" not in notices_of(pixels), path.name
        assert "inverted" in notices_of(np.float32(1) - pixels), path.name


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_figures_of_the_benchmark_hold(shared_data, inversion_benchmark):
    for name, sources in inversion_benchmark.groups(100):
        films, wrong, missed, _ = inversion_benchmark.confusion(sources)
        assert films >= 94, name
        allowed = 0.02 * films if name.startswith("corpus") else 0
        assert wrong <= allowed, name
        assert missed <= allowed, name


def test_inverting_a_film_changes_the_sign(files):
    film = (files.synthetic_film(150, 140) / 255).astype(np.float32)
    assert polarity(film) > 0.3
    assert polarity(1 - film) == pytest.approx(-polarity(film), abs=0.02)


def test_borders_do_not_count(files):
    film = (files.synthetic_film(150, 140) / 255).astype(np.float32)
    framed = np.zeros((230, 200), dtype=np.float32)
    framed[:150, 20:160] = film
    assert polarity(framed) > 0.2
    assert "inverted" in notices_of(1 - framed)


def test_pixels_are_left_as_they_are(files):
    film = 255 - files.synthetic_film(150, 140)
    read = read_radiograph(files.raster_file(film.astype(np.uint8), "PNG"))
    assert read.notices == ("inverted",)
    np.testing.assert_allclose(read.pixels, film / 255, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_an_almost_constant_film_is_noticed(value):
    film = np.full((200, 200), value, dtype=np.float32)
    film[5, 5] = 1 - value
    assert notices_of(film) == ("almost_constant",)


def test_a_film_of_few_pixels_is_noticed(files):
    film = (files.synthetic_film(300, MIN_SIDE - 1) / 255).astype(np.float32)
    assert "too_few_pixels" in notices_of(film)
    assert "too_few_pixels" not in notices_of(film[:, :1].repeat(MIN_SIDE, axis=1))


def test_a_single_pixel_is_no_error():
    assert notices_of(np.zeros((1, 1), dtype=np.float32)) == ("too_few_pixels", "almost_constant")


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (96, 96), (240, 251), (700, 900)])
def test_the_spread_of_a_film_is_the_difference_of_its_percentiles(shape):
    film = np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)
    step = max(1, int(np.sqrt(film.size / 60_000)))
    low, high = np.percentile(film[::step, ::step].astype(np.float64), (1, 99))
    assert spread_of(film) == pytest.approx(high - low, abs=1e-12)
