from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.phantom import LungDisease, PhantomSpec, demo_series, render_phantom
from pneumoscore.phantom.anatomy import draw_build, project_chest
from pneumoscore.phantom.fields import FilmGrid
from pneumoscore.phantom.vessels import project_vessels

SIZE = 160
shares = st.floats(0.0, 1.0, allow_nan=False)
diseases = st.builds(LungDisease, shares, st.floats(0.05, 1.0))
views = st.sampled_from(["PA", "AP"])


@settings(max_examples=12, deadline=None)
@given(diseases, diseases, st.integers(0, 2**32), views)
def test_each_lung_is_involved_to_the_asked_extent(right, left, seed, view):
    phantom = render_phantom(PhantomSpec(right, left, seed, size=SIZE, view=view))
    for lung, disease in zip(phantom.lungs, (right, left), strict=True):
        assert (phantom.opacity_map[lung] > 0).mean() == pytest.approx(disease.extent, abs=0.02)
    assert not phantom.opacity_map[~phantom.lungs.any(axis=0)].any()
    assert phantom.opacity_map.max() <= 1.0


@settings(max_examples=8, deadline=None)
@given(shares, shares, st.floats(0.05, 1.0), st.integers(0, 1000), views)
def test_more_extent_covers_all_that_less_covers(one, other, density, seed, view):
    less, more = sorted((one, other))
    small, large = (
        render_phantom(
            PhantomSpec(
                LungDisease(extent, density),
                LungDisease(extent, density),
                seed,
                size=SIZE,
                view=view,
                noise=0,
            )
        )
        for extent in (less, more)
    )
    assert np.all(large.opacity_map >= small.opacity_map)
    # Detail enhancement darkens the rim of a new opacity a little; over the lungs the film
    # must brighten.
    lungs = small.lungs.any(axis=0)
    assert large.pixels[lungs].mean() >= small.pixels[lungs].mean() - 1e-6


def test_the_same_spec_gives_the_same_film_and_other_seeds_other_patients():
    spec = PhantomSpec(LungDisease(0.4, 0.4), seed=3, size=SIZE)
    first, again = render_phantom(spec), render_phantom(spec)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.opacity_map, again.opacity_map)
    other = render_phantom(replace(spec, seed=4))
    assert not np.array_equal(first.lungs, other.lungs)


def test_disease_of_one_lung_leaves_the_other_lung_clear():
    healthy = render_phantom(PhantomSpec(seed=5, size=SIZE, noise=0))
    sick = render_phantom(PhantomSpec(right=LungDisease(0.7, 0.7), seed=5, size=SIZE, noise=0))
    right, left = healthy.lungs
    assert sick.pixels[right].mean() > healthy.pixels[right].mean() + 0.1
    assert sick.pixels[left].mean() == pytest.approx(healthy.pixels[left].mean(), abs=0.01)


def test_denser_disease_is_brighter_and_hides_the_vessels():
    films = [
        render_phantom(PhantomSpec(LungDisease(1.0, density), seed=6, size=384, noise=0))
        for density in (0.0, 0.3, 0.6, 0.95)
    ]
    right = films[0].lungs[0]
    means = [float(film.pixels[right].mean()) for film in films]
    assert means == sorted(means)
    assert means[-1] > means[0] + 0.3
    # How much brighter a vessel is than its surroundings, by regression within the lung.
    grid = FilmGrid(384)
    build = draw_build(6, "PA")
    vessels, _ = project_vessels(build, grid, project_chest(build, grid).lung, 6)
    calibre = (vessels - grid.blur(vessels, 1.0))[right]
    seen = [
        float((film.pixels - grid.blur(film.pixels, 1.0))[right] @ calibre / (calibre @ calibre))
        for film in films
    ]
    assert seen[0] > seen[1] > seen[2] > seen[3]
    assert seen[1] > 0.6 * seen[0] > 0.01  # seen through ground glass
    assert seen[3] < 0.35 * seen[0]  # hidden by consolidation


@pytest.mark.parametrize("view", ["PA", "AP"])
@pytest.mark.parametrize("seed", range(4))
def test_the_film_is_laid_out_as_a_frontal_chest(seed, view):
    phantom = render_phantom(PhantomSpec(seed=seed, size=SIZE, view=view))
    right, left = phantom.lungs
    pixels = phantom.pixels
    columns = np.arange(SIZE)
    assert pixels.dtype == np.float32
    assert 0.0 <= pixels.min() < 0.05
    assert 0.85 < pixels.max() <= 1.0
    assert not (right & left).any()
    # The patient's right lung is at the image's left; the heart makes the left lung smaller.
    assert columns[right.any(axis=0)].max() < columns[left.any(axis=0)].min()
    assert right.sum() > left.sum() > 0.06 * SIZE**2
    # Right above left diaphragm.
    rows = np.arange(SIZE)
    dome = [rows[lung[:, lung.any(axis=0)].any(axis=1)].max() for lung in (right, left)]
    assert dome[0] <= dome[1]
    between = slice(columns[right.any(axis=0)].max() + 2, columns[left.any(axis=0)].min() - 1)
    assert pixels[SIZE // 2 : 2 * SIZE // 3, between].mean() > pixels[right].mean() + 0.2
    assert pixels[-SIZE // 10 :, SIZE // 3 : SIZE // 2].mean() > pixels[right].mean() + 0.3
    letter = pixels[: SIZE // 8, -SIZE // 8 :]
    assert letter.max() > letter.mean() + 0.2


def test_a_bedside_film_has_a_wider_heart_and_smaller_lungs():
    upright = render_phantom(PhantomSpec(seed=2, size=SIZE))
    bedside = render_phantom(PhantomSpec(seed=2, size=SIZE, view="AP"))
    assert bedside.lungs.sum() < upright.lungs.sum()


def test_noise_adds_grain_only():
    quiet, usual, loud = (
        render_phantom(PhantomSpec(seed=8, size=SIZE, noise=noise)).pixels for noise in (0, 1, 4)
    )
    usual_grain, loud_grain = (usual - quiet).std(), (loud - quiet).std()
    assert 0.0 < usual_grain < loud_grain < 0.1
    assert abs(float((usual - quiet).mean())) < 0.005


def test_the_same_patient_at_two_sizes():
    spec = PhantomSpec(LungDisease(0.5, 0.6), seed=9, size=200, noise=0)
    small, large = render_phantom(spec), render_phantom(replace(spec, size=400))
    halved = large.pixels.reshape(200, 2, 200, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.pixels.ravel())[0, 1] > 0.99
    assert small.pixel_spacing_mm == pytest.approx(2 * large.pixel_spacing_mm)


@pytest.mark.parametrize(
    ("right", "left", "extent", "opacity"),
    [
        ((0, 0), (0, 0), 0, 0),
        ((0.1, 0.3), (0, 0.9), 1, 1),
        ((0.25, 0.3), (0.5, 0.5), 4, 3),
        ((0.51, 0.49), (0.75, 0.84), 6, 3),
        ((0.76, 0.85), (1, 1), 8, 6),
        ((0.75, 1.0), (0.5, 0.0), 3, 2),
    ],
)
def test_the_truth_follows_the_scales(right, left, extent, opacity):
    phantom = render_phantom(PhantomSpec(LungDisease(*right), LungDisease(*left), size=64))
    assert (phantom.geographic_extent, phantom.opacity) == (extent, opacity)


def test_the_demonstration_worsens_and_improves():
    series = demo_series(seed=3)
    days = [day for day, _ in series]
    extents = [spec.right.extent + spec.left.extent for _, spec in series]
    worst = extents.index(max(extents))
    assert days == [1, 2, 3, 4, 5]
    assert 0 < worst < len(extents) - 1
    assert extents[: worst + 1] == sorted(extents[: worst + 1])
    assert extents[worst:] == sorted(extents[worst:], reverse=True)
    assert len({(spec.seed, spec.view, spec.size) for _, spec in series}) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: LungDisease(extent=1.1),
        lambda: LungDisease(density=float("nan")),
        lambda: PhantomSpec(seed=-1),
        lambda: PhantomSpec(size=8),
        lambda: PhantomSpec(view="LL"),
        lambda: PhantomSpec(noise=-1.0),
    ],
)
def test_values_out_of_range_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_a_film_is_rendered_in_about_a_second():
    start = time.process_time()
    render_phantom(PhantomSpec(LungDisease(0.5, 0.5), LungDisease(0.5, 0.5), size=768))
    assert time.process_time() - start < 3.0  # 0.6 s; a loaded machine has room
