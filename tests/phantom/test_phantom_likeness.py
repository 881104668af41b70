"""Phantoms beside public films without findings: the layout and the grey levels of a film."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from pneumoscore.phantom import PhantomSpec, render_phantom

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def films(shared_data):
    with zipfile.ZipFile(shared_data / "corpus" / "rsna_normal.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::90]
        opened = (Image.open(io.BytesIO(archive.read(name))).convert("L") for name in names)
        small = [image.resize((64, 64), Image.Resampling.BILINEAR) for image in opened]
    return np.stack([np.asarray(image) for image in small]) / 255.0


@pytest.fixture(scope="module")
def phantoms():
    specs = [
        PhantomSpec(seed=seed, size=128, view=view) for seed in range(4) for view in ("PA", "AP")
    ]
    pixels = np.stack([render_phantom(spec).pixels for spec in specs])
    return pixels.reshape(len(specs), 64, 2, 64, 2).mean(axis=(2, 4))


def test_every_phantom_is_laid_out_like_the_mean_film(films, phantoms):
    standardised = (films - films.mean(axis=(1, 2), keepdims=True)) / films.std(
        axis=(1, 2), keepdims=True
    )
    mean = standardised.mean(axis=0).ravel()
    real = [np.corrcoef(film.ravel(), mean)[0, 1] for film in films]
    drawn = [np.corrcoef(film.ravel(), mean)[0, 1] for film in phantoms]
    assert min(drawn) > np.percentile(real, 10)
    assert np.median(drawn) > np.median(real) - 0.05


def test_grey_levels_are_those_of_films(films, phantoms):
    shares = [25, 50, 75, 95]
    real = np.array([np.percentile(film, shares) for film in films]).mean(axis=0)
    drawn = np.array([np.percentile(film, shares) for film in phantoms]).mean(axis=0)
    assert np.abs(drawn - real).max() < 0.1
