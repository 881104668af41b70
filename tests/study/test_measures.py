import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pneumoscore.cohort.public import FilmMask
from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.monitor.steadiness import PERTURBATIONS, measure_steadiness, perturb
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Placement, Radiograph
from pneumoscore.severity.model import SeverityModel
from training.goals.place import map_on_mask, measure_masks, score_place
from training.goals.rejection import (
    blank_images,
    measure_rejection,
    noise_images,
    photographs,
)
from training.goals.zones import lung_zones, measure_zones, split_lungs


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


@pytest.fixture(scope="module")
def films(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for index in range(6):
        pixels = tiny_model.film(index, 150, 130).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{index}.png")
    return sorted(folder.iterdir())


def _two_lungs(rows=96, columns=80):
    lung = np.zeros((rows, columns), bool)
    lung[10:70, 8:32] = True
    lung[16:64, 48:72] = True
    return lung


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 200), st.integers(20, 200), st.sampled_from([4, 7, 14]))
def test_a_map_lies_on_the_film_where_its_places_lie(rows, columns, places):
    """A map that rises linearly must rise linearly on the mask, at the right positions."""
    size = 56
    scale = size / max(rows, columns)
    top, left = (size - rows * scale) / 2, (size - columns * scale) / 2
    centres = (np.arange(places) + 0.5) * size / places
    ramp = np.add.outer(100 * centres, centres).astype(np.float32)
    found = map_on_mask(ramp, Placement(scale, top, left, (rows, columns)), size, (50, 40))
    r = np.clip((np.arange(50) + 0.5) * rows / 50 * scale + top, centres[0], centres[-1])
    c = np.clip((np.arange(40) + 0.5) * columns / 40 * scale + left, centres[0], centres[-1])
    np.testing.assert_allclose(found, np.add.outer(100 * r, c), rtol=1e-4)


def test_the_contributions_on_the_film_sum_to_the_score(model, films):
    """A square film covers the whole input: interpolation loses only the edges."""
    square = films[0].parent / "square.png"
    Image.open(films[0]).resize((128, 128)).save(square)
    found, places = score_place(model, FilmMask(square, square, "s", "lungs"),
                                "geographic_extent", (256, 256))  # fmt: skip
    assert places.sum() == pytest.approx(found.raw - found.intercept, rel=0.1, abs=0.05)
    square.unlink()


def test_masks_drawn_from_the_map_itself_agree_fully(model, films, tmp_path):
    masks = []
    for film in films:
        plain = FilmMask(film, film, film.name, "findings")
        _, places = score_place(model, plain, "geographic_extent", (96, 80))
        lung = _two_lungs()
        right, left = split_lungs(lung)
        bits = right * 1 + left * 2
        bits[lung & (places > np.median(places[lung]))] |= 4
        Image.fromarray(bits.astype(np.uint8)).save(tmp_path / film.name)
        masks.append(FilmMask(tmp_path / film.name, film, film.name, "findings"))
    patients = [mask.original for mask in masks]
    found = measure_masks(model, masks, patients, repeats=100)
    assert (found.films, found.patients) == (6, 6)
    assert found.auroc.value == 1
    assert -1 <= found.left_share.value <= 1
    assert set(found.by_film) == set(patients)


def test_lungs_are_told_apart_and_cut_into_thirds():
    lung = _two_lungs()
    zones = lung_zones(lung)
    assert np.sum([zone.sum() for zone in zones.values()]) == lung.sum()
    assert not np.logical_and.reduce([zones["A"], zones["D"]]).any()
    for upper, lower in pairwise("ABC"):
        assert np.flatnonzero(zones[upper].any(1))[-1] < np.flatnonzero(zones[lower].any(1))[0]
    assert [int(zones[name].any(1).sum()) for name in "ABC"] == [20, 20, 20]
    right, left = split_lungs(lung)
    assert np.flatnonzero(right.any(0))[-1] < np.flatnonzero(left.any(0))[0]
    touching = lung.copy()
    touching[40:42, 32:48] = True
    right, left = split_lungs(touching)
    assert not (right & left).any()
    assert (right | left).sum() == touching.sum()
    assert not any(zone.any() for zone in lung_zones(np.zeros((9, 9), bool)).values())


def test_zone_scores_that_follow_the_map_correlate_fully(model, films, tmp_path):
    lung = _two_lungs()
    masks, sums = [], []
    for film in films:
        Image.fromarray(lung.astype(np.uint8)).save(tmp_path / film.name)
        mask = FilmMask(tmp_path / film.name, film, film.name, "lungs")
        _, places = score_place(model, mask, "geographic_extent", lung.shape)
        masks.append(mask)
        sums.append([places[zone].sum() for zone in lung_zones(lung).values()])
    names = tuple(film.name for film in films)
    brixia = {
        zone: RatingTable(zone, names, ("a", "b"), np.column_stack([np.array(sums)[:, i]] * 2))
        for i, zone in enumerate("ABCDEF")
    }
    count, rho = measure_zones(model, masks, brixia, {}, repeats=100)
    assert count == 6
    assert rho["mean"].value == pytest.approx(1)


def test_every_perturbation_changes_the_film_and_keeps_it_one(tiny_model):
    film = tiny_model.film(1, 700, 640)
    for name in PERTURBATIONS:
        changed = perturb(film, name)
        assert isinstance(changed, Radiograph)
        same = changed.pixels.shape == film.pixels.shape
        assert not same or not np.array_equal(changed.pixels, film.pixels)
    assert perturb(film, "resize to 512").pixels.shape == (560, 512)
    assert perturb(film, "crop 10 %").pixels.shape == (630, 576)


def test_steadiness_is_the_change_of_the_score(model, films):
    found = measure_steadiness(model, films[:2], ["geographic_extent"])["geographic_extent"]
    film = read_radiograph(films[1])
    expected = (
        model.score(perturb(film, "gamma 0.8"), force=True)["geographic_extent"].value
        - model.score(film, force=True)["geographic_extent"].value
    )
    assert found.changes["gamma 0.8"][1] == pytest.approx(expected, abs=1e-5)
    pooled = found.pooled()
    assert pooled["median"] <= pooled["p95"] <= pooled["largest"]
    assert pooled["largest"] == max(v["largest"] for v in found.by_perturbation().values())


def test_refusals_are_counted_with_their_reasons(model, films, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    found = measure_rejection(model, "mixed", [*films, broken])
    assert (found.images, found.refused) == (7, 1)
    assert found.reasons == {"not readable": 1}
    assert found.refused_names == ("broken.png",)
    constant = measure_rejection(model, "blank", blank_images(64))
    assert constant.reasons["almost_constant"] == 5
    assert math.isnan(measure_rejection(model, "none", []).share)


def test_images_that_are_no_films():
    assert len(photographs()) >= 2
    noise = dict(noise_images(6, 64))
    again = dict(noise_images(6, 64))
    assert all(np.array_equal(noise[name].pixels, again[name].pixels) for name in noise)
