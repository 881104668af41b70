"""Two films in one picture are told from one, phantoms and patients."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from pneumoscore.phantom import PhantomSpec, render_phantom
from pneumoscore.radiograph import read_radiograph
from pneumoscore.radiograph.two_films import holds_two_films


@pytest.fixture(scope="module")
def phantoms():
    return [render_phantom(PhantomSpec(seed=seed, size=200)).pixels for seed in (1, 2)]


@pytest.mark.parametrize("gap", [0, 20])
@pytest.mark.parametrize("axis", [0, 1], ids=["one above the other", "side by side"])
def test_two_phantoms_in_one_picture(files, phantoms, axis, gap):
    between = np.zeros((gap, 200) if axis == 0 else (200, gap), np.float32)
    one, other = (phantom[:200, :200] for phantom in phantoms)
    picture = np.concatenate([one, between, other], axis=axis)
    data = files.raster_file(np.rint(picture * 255).astype(np.uint8), "PNG")
    assert "two_films" in read_radiograph(data).notices


def test_one_phantom_is_one_film(files, phantoms):
    for phantom in phantoms:
        data = files.raster_file(np.rint(phantom * 255).astype(np.uint8), "PNG")
        assert "two_films" not in read_radiograph(data).notices


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (50, 200), (200, 50)])
def test_any_shape_is_judged(shape):
    assert not holds_two_films(np.full(shape, 0.5, np.float32))
    holds_two_films(np.random.default_rng(1).random(shape).astype(np.float32))


@pytest.mark.shared_data
def test_patients_films_and_pairs_of_them(shared_data):
    from tests.radiograph.conftest import load_benchmark

    benchmark = sys.modules.get("two_films") or load_benchmark("two_films")
    paths = sorted((shared_data / "cohen94").iterdir())[::3]
    films = [read_radiograph(path, options=benchmark.SMALL).pixels for path in paths]
    assert not any(map(holds_two_films, films))
    pairs = list(zip(films[1:], films[:-1], strict=True))
    assert sum(holds_two_films(benchmark.beside(*pair)) for pair in pairs) >= 0.9 * len(pairs)
    assert sum(holds_two_films(benchmark.above(*pair)) for pair in pairs) >= 0.75 * len(pairs)
