"""The code that prints the goal figures, on a tiny model."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cohort.public import FilmMask
from pneumoscore.monitor.film_changes import CHANGES, RETAKES, change_film
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT
from pneumoscore.statistics.bootstrap import Estimate
from pneumoscore.study.predictions import PredictionTable
from training.goals.accuracy import accuracy_figure, coverage_figure, cross_validation_figure
from training.goals.cost import packaged_weights
from training.goals.figure_run import run_figures
from training.goals.figures import FigureResult, FigureRow, estimate_row, figures_overview
from training.goals.place import _within, measure_masks, measure_zones, score_place
from training.goals.rejection import (
    blank_images,
    measure_rejection,
    noise_images,
    photographs,
    read_named,
    two_in_one,
)
from training.goals.steadiness import measure_steadiness
from training.zones import lung_zones, split_lungs


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
    found = measure_masks(model, masks)
    assert set(found) == {film.name for film in films}
    assert {item.auroc for item in found.values()} == {1.0}
    assert all(0 <= item.share <= 1 for item in found.values())
    assert all(0 < item.marked_share < 1 for item in found.values())


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
    readers = {
        zone: {film.stem: values[index] for film, values in zip(films, sums, strict=True)}
        for index, zone in enumerate("ABCDEF")
    }
    del readers["A"][films[0].stem]
    found = measure_zones(model, masks, readers)
    assert len(found) == 5
    for item in found.values():
        np.testing.assert_allclose(item.ours, item.theirs)


def test_a_film_whose_zones_the_model_holds_for_alike_has_no_correlation():
    theirs = np.array([[0, 1, 2, 0, 1, 3], [1, 1, 1, 1, 1, 1], [0, 0, 3, 0, 0, 3.0]])
    ours = np.array([[0, 1, 2, 0, 1, 3], [0, 1, 2, 3, 4, 5], [2.0] * 6])
    np.testing.assert_allclose(_within(theirs, ours), [1, np.nan, 0])


def test_every_change_changes_the_film_and_keeps_it_one(tiny_model):
    film = tiny_model.film(1, 700, 640)
    shapes = {}
    for name in CHANGES:
        changed = change_film(film, name)
        assert isinstance(changed, Radiograph)
        shapes[name] = changed.pixels.shape
        same = changed.pixels.shape == film.pixels.shape
        assert not same or not np.array_equal(changed.pixels, film.pixels)
    assert shapes["resize to 512"] == (560, 512)
    assert shapes["crop 5 % a side"] == (630, 576)
    assert shapes["crop 10 % a side"] == (560, 512)
    assert shapes["black border, 15 % a side"] == (910, 832)
    assert shapes["padded to a square"] == (700, 700)
    assert shapes["stretched 1.25 across"] == (700, 800)
    white = change_film(film, "white border, 30 % a side").pixels
    assert white[:209].min() == 1
    np.testing.assert_array_equal(white[210:-210, 192:-192], film.pixels)
    tubes = change_film(film, "tubes drawn").pixels - film.pixels
    assert tubes.min() >= 0
    assert 0.01 < (tubes > 0).mean() < 0.15
    assert set(RETAKES) < set(CHANGES)


def test_steadiness_is_the_change_of_the_score(model, films, tmp_path):
    square = tmp_path / "square.png"
    Image.open(films[0]).resize((140, 140)).save(square)
    found = measure_steadiness(model, [films[1], square], ["geographic_extent"])
    changes = found["geographic_extent"]
    film = read_radiograph(films[1])
    expected = (
        model.score(change_film(film, "gamma 0.8"), force=True)["geographic_extent"].value
        - model.score(film, force=True)["geographic_extent"].value
    )
    assert changes["gamma 0.8"][0] == pytest.approx(expected, abs=1e-5)
    # A square film is not counted among those that padding leaves steady.
    assert math.isnan(changes["padded to a square"][1])
    assert not np.isnan(np.delete(np.stack(list(changes.values())), 6, axis=0)).any()


def _table(count=40, shift=0.0):
    generator = np.random.default_rng(0)
    truth = np.linspace(0, 8, count)
    predicted = np.clip(truth + generator.normal(0, 0.3, count) + shift, 0, 8)
    views = tuple("AP" if index % 2 else "PA" for index in range(count))
    return PredictionTable(
        "m", GEOGRAPHIC_EXTENT, *(tuple(f"{kind}{i}" for i in range(count)) for kind in "fp"),
        ("s",) * count, views, ("",) * count, np.full(count, np.nan), truth, predicted,
        predicted - 1, predicted + 1,
    )  # fmt: skip


def test_accuracy_and_coverage_count_what_they_name():
    near, far = _table(), _table(shift=2.0)
    good = accuracy_figure({"geographic_extent": near}, 100)
    assert [row.met for row in good.rows] == [True, True, None]
    bad = accuracy_figure({"geographic_extent": far}, 100)
    assert [row.met for row in bad.rows] == [False, True, None]
    worst = cross_validation_figure({"geographic_extent": near}, 100).rows[-1]
    assert worst.figure == "geographic_extent: worst view over best"
    assert float(worst.value.split()[0]) >= 1
    covered = coverage_figure({"geographic_extent": near}, {"geographic_extent": far}, 100)
    by_name = {row.figure: row for row in covered.rows}
    whole = by_name["geographic_extent, the 94: coverage"]
    assert whole.value.startswith("1.00")
    assert whole.met is False  # intervals that are too wide miss the goal too
    assert float(by_name["geographic_extent, 80 films, view AP (40): coverage"].value[:4]) < 0.7
    bare = replace(near, lows=near.lows * np.nan)
    rows = coverage_figure({}, {"geographic_extent": bare}, 100).rows
    assert [row.value for row in rows] == ["no intervals in the table"]


def test_a_goal_is_met_by_the_value_itself():
    found = Estimate(0.84, 0.7, 0.9)
    assert estimate_row("a", found, at_most=0.85).met
    assert not estimate_row("a", found, at_least=0.85).met
    assert estimate_row("a", found, 0.8, 0.9).goal == "0.80-0.90"
    table = figures_overview([FigureResult(2, (FigureRow("a", "1"),), {})])
    assert table.rows == (("2", "a", "1", "-", "-"),)


def test_refusals_are_counted_with_their_reasons(model, films, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    found = measure_rejection(model, read_named([*films, broken]))
    assert (found.images, found.refused) == (7, 1)
    assert found.reasons == {"not readable": 1}
    assert found.refused_names == ("broken.png",)
    constant = measure_rejection(model, blank_images(64))
    assert constant.reasons["almost_constant"] == 5
    assert measure_rejection(model, []).images == 0


def test_two_films_stand_in_one_picture(films):
    pictures = [film.pixels.shape for _, film in two_in_one(films, 64)]
    assert pictures == [(64, 128), (128, 64), (64, 128)]


def test_the_weights_of_the_package_are_found():
    weights = packaged_weights()
    assert any(name.startswith("backbone/weights/") for name in weights)
    assert sum(weights.values()) > 1e6


def test_images_that_are_no_films():
    assert len(photographs()) >= 2
    noise = dict(noise_images(6, 64))
    again = dict(noise_images(6, 64))
    assert all(np.array_equal(noise[name].pixels, again[name].pixels) for name in noise)


@pytest.mark.shared_data
@pytest.mark.slow
def test_figures_of_the_94(shared_data, tiny_folder, tmp_path):
    table = run_figures(
        shared_data, (2, 6), tmp_path, model=str(tiny_folder), repeats=100, threads=1
    )
    words = {row[4] for row in table.rows if "MAE" in row[1]}
    assert words == {"missed"}  # a network of random numbers is no radiologist
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert list(numbers["figures"]) == ["2", "6"]
