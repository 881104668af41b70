"""Batches keep films and truth together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from training.augment import Augmentation, augment, standardise
from training.films import FilmArrays
from training.losses import side_sums
from training.streams import MAP_STEP, FilmStream, draw_batch

SIZE = 64
STILL = Augmentation(
    size=SIZE,
    rotation_degrees=0,
    shift=0,
    zoom=0,
    stretch=0,
    gamma=0,
    contrast=0,
    shade=0,
    noise=0,
    blur=0,
    overlay=0,
)


def _one_sided_stream(count: int = 8) -> FilmStream:
    """Films bright on the image's left, whose truth says so."""
    pixels = np.full((count, SIZE, SIZE), 40, dtype=np.uint8)
    pixels[:, :, : SIZE // 2] = 200
    lungs = np.zeros((count, 2, SIZE, SIZE), dtype=np.uint8)
    lungs[:, 0, :, : SIZE // 2] = 255
    lungs[:, 1, :, SIZE // 2 :] = 255
    opacity = np.zeros_like(lungs)
    opacity[:, 0, :, : SIZE // 2] = 255
    sides = np.zeros((count, 2, 2), dtype=np.float32)
    sides[:, 0] = [4.0, 3.0]
    return FilmStream(
        name="one-sided",
        films=FilmArrays(
            pixels,
            np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (count, 1)),
            tuple(str(index) for index in range(count)),
        ),
        per_batch=16,
        findings=np.full((count, 3), np.nan, dtype=np.float32),
        totals=sides.sum(1),
        sides=sides,
        lungs=lungs,
        opacity=opacity,
    )


def test_a_mirrored_film_mirrors_its_truth() -> None:
    batch = draw_batch([_one_sided_stream()], STILL, 0, torch.Generator().manual_seed(0))
    left_is_bright = batch.films[:, 0, :, : SIZE // 2].mean((1, 2)) > 0
    assert 0 < left_is_bright.sum() < len(left_is_bright)
    for row, bright in enumerate(left_is_bright.tolist()):
        side = 0 if bright else 1
        assert batch.sides[row, side].tolist() == [4.0, 3.0]
        assert batch.sides[row, 1 - side].tolist() == [0.0, 0.0]
        assert batch.opacity[row, side].mean() > 0.45
        assert batch.opacity[row, 1 - side].mean() < 0.05
        middle = SIZE // MAP_STEP // 2
        half = slice(0, middle) if bright else slice(middle, None)
        assert batch.opacity[row, side][:, half].mean() > 0.95


def test_unknown_truth_stays_unknown() -> None:
    stream = _one_sided_stream()
    bare = FilmStream(
        name="bare",
        films=stream.films,
        per_batch=4,
        findings=stream.findings,
        totals=stream.totals,
        sides=np.full_like(stream.sides, np.nan),
    )
    batch = draw_batch([bare], Augmentation(size=SIZE), 0, torch.Generator().manual_seed(0))
    assert batch.lungs.isnan().all()
    assert batch.opacity.isnan().all()
    assert batch.sides.isnan().all()
    assert not batch.totals.isnan().any()


def test_a_teacher_scores_the_film_as_it_is_and_the_scores_move_with_it() -> None:
    stream = replace(_one_sided_stream(), taught=True, opacity=None)
    seen = []

    def brightness(films: torch.Tensor, lungs: torch.Tensor) -> torch.Tensor:
        seen.append(films)
        sums = [(films * lungs[:, side : side + 1]).mean((1, 2, 3)) for side in (0, 1)]
        sides = torch.stack(sums, 1)
        return torch.stack([sides, 2 * sides], 2)[None]

    settings = replace(STILL, gamma=0.5, noise=0.1)
    batch = draw_batch([stream], settings, 0, torch.Generator().manual_seed(0), brightness)
    assert len({float(film.std()) for film in seen[0]}) == 1, "the teacher saw a changed film"
    bright = batch.films[:, 0, :, : SIZE // 2].mean((1, 2)) > 0
    assert 0 < bright.sum() < len(bright)
    for row, left in enumerate(bright.tolist()):
        side = 0 if left else 1
        assert batch.sides[row, side, 0] > 0.4 > -0.4 > batch.sides[row, 1 - side, 0]
        assert batch.totals[row].tolist() == pytest.approx([0, 0], abs=1e-5)
        assert batch.sides[row, side, 1] == pytest.approx(2 * float(batch.sides[row, side, 0]))


def test_without_a_teacher_taught_films_keep_their_own_truth() -> None:
    stream = replace(_one_sided_stream(), taught=True)
    batch = draw_batch([stream], STILL, 0, torch.Generator().manual_seed(0))
    assert batch.totals.tolist() == [[4.0, 3.0]] * 16


def test_standardised_films_ignore_their_padding() -> None:
    films = torch.rand(3, 1, 32, 32)
    inside = torch.zeros_like(films)
    inside[:, :, 4:28] = 1
    spoilt = torch.where(inside > 0, films, 9.0)
    result = standardise(spoilt, inside)
    assert (result[inside == 0] == 0).all()
    for row in range(3):
        values = result[row][inside[row] > 0]
        assert abs(float(values.mean())) < 1e-5
        assert abs(float(values.std(unbiased=False)) - 1) < 1e-4


def test_augmented_films_keep_their_masks_in_place() -> None:
    films = torch.zeros(8, 1, SIZE, SIZE)
    films[:, :, 20:40, 10:30] = 1
    view = augment(
        films,
        films.clone(),
        Augmentation(size=SIZE, noise=0, blur=0, overlay=0, gamma=0, contrast=0),
        torch.Generator().manual_seed(2),
    )
    for film, mask in zip(view.films[:, 0], view.masks[:, 0], strict=True):
        assert film[mask > 0.9].mean() > 1
        assert film[mask < 0.1].mean() < 0.2


def test_shading_brightens_one_edge_and_leaves_the_middle() -> None:
    films = torch.full((8, 1, SIZE, SIZE), 0.5)
    films[:, :, ::2, ::2] = 0.4
    shaded = augment(
        films, films[:, :0], replace(STILL, shade=0.3), torch.Generator().manual_seed(1)
    ).films[:, 0]
    plain = augment(films, films[:, :0], STILL, torch.Generator().manual_seed(1)).films[:, 0]
    quarter = SIZE // 4

    def across(film: torch.Tensor) -> float:
        return abs(float(film[:, -quarter:].mean() - film[:, :quarter].mean()))

    assert max(across(film) for film in plain) < 1e-5
    assert max(across(film) for film in shaded) > 0.5


def test_sharpening_raises_the_contrast_of_edges_alone() -> None:
    films = torch.full((16, 1, SIZE, SIZE), 0.4)
    films[:, :, :, SIZE // 2 :] = 0.6
    settings = replace(STILL, sharpen=1.0)
    changed = augment(films, films[:, :0], settings, torch.Generator().manual_seed(0)).films[:, 0]
    plain = augment(films, films[:, :0], STILL, torch.Generator().manual_seed(0)).films[:, 0]
    middle = SIZE // 2
    step = (changed[:, :, middle] - changed[:, :, middle - 1]).mean(1)
    unchanged = float((plain[:, :, middle] - plain[:, :, middle - 1]).mean())
    assert float(step.max()) > 1.05 * unchanged
    assert float(step.min()) < 0.98 * unchanged


def test_a_bent_tone_curve_stays_monotone() -> None:
    ramp = torch.linspace(0.15, 0.85, SIZE).view(1, 1, 1, SIZE).expand(8, 1, SIZE, SIZE)
    settings = replace(STILL, curve=0.9)
    bent = augment(ramp, ramp[:, :0], settings, torch.Generator().manual_seed(0)).films[:, 0, 0]
    rises = bent.diff(dim=1).abs()
    ends = rises[:, [0, -1]].mean(1) / rises[:, SIZE // 2]
    assert bool(((bent.diff(dim=1) > 0).all(1) | (bent.diff(dim=1) < 0).all(1)).all())
    assert float(ends.max()) > 1.2
    assert float(ends.min()) < 0.8


def test_side_sums_split_at_the_midline_of_the_lungs() -> None:
    contributions = torch.ones(1, 2, 4, 8)
    lungs = torch.zeros(1, 2, 4, 8)
    lungs[:, 0, :, 0:2] = 1
    lungs[:, 1, :, 4:6] = 1
    sums = side_sums(contributions, lungs)
    assert torch.allclose(sums.sum(1), contributions.sum((2, 3)))
    assert torch.allclose(sums[0, :, 0], torch.tensor([12.0, 20.0]))


def test_some_painted_films_are_black_outside_their_lungs() -> None:
    stream = _one_sided_stream()
    lungs = np.zeros_like(stream.lungs)
    lungs[:, 0, 10:50, 8:28] = 255
    stream = replace(stream, lungs=lungs, opacity=None, blackened=0.5)
    batch = draw_batch([stream], STILL, 0, torch.Generator().manual_seed(0))
    flat = 0
    for film, lung in zip(batch.films[:, 0], batch.lungs.amax(1), strict=True):
        outside = film[lung < 0.01]
        flat += int(float(outside.max() - outside.min()) == pytest.approx(0, abs=1e-5))
        inside = film[lung > 0.99]
        assert float(inside.mean()) != pytest.approx(float(outside.min()), abs=1e-3)
    assert 0 < flat < len(batch.films)
