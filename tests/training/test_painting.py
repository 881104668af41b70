"""Painted opacities carry exact truth."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.painting import extent_of_share, opacity_of_density, paint


def _film_with_lungs(count: int = 6, size: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    films = torch.full((count, 1, size, size), 0.75)
    lungs = torch.zeros(count, 2, size, size)
    lungs[:, 0, 16:80, 12:40] = 1
    lungs[:, 1, 16:80, 56:84] = 1
    films[lungs.sum(1, keepdim=True) > 0] = 0.25
    return films, lungs


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_opacities_stay_in_the_lungs_and_brighten_them(seed: int) -> None:
    films, lungs = _film_with_lungs()
    painted = paint(films, lungs, torch.Generator().manual_seed(seed))
    near_lung = torch.nn.functional.max_pool2d(lungs.sum(1, keepdim=True), 13, 1, 6) > 0
    assert torch.equal(painted.films[~near_lung], films[~near_lung])
    assert (painted.films >= films - 0.06).all()
    assert painted.films.max() <= 1
    for side in range(2):
        spared = painted.extent[:, side] == 0
        assert (painted.density[spared, side] == 0).all()
        assert (painted.opacity[spared, side] < 0.5).all()


def test_the_extent_is_the_share_of_the_lung_that_the_mask_covers() -> None:
    films, lungs = _film_with_lungs(64)
    painted = paint(films, lungs, torch.Generator().manual_seed(1))
    for side in range(2):
        lung = lungs[:, side] > 0.5
        share = ((painted.opacity[:, side] > 0.5) & lung).sum((1, 2)) / lung.sum((1, 2))
        expected = extent_of_share(share)
        assert (painted.extent[:, side] - expected).abs().max() < 0.35
        assert (painted.extent[:, side] - expected).abs().mean() < 0.1
    assert 0.5 < painted.extent.mean() < 3.0


def test_the_same_seed_paints_the_same_film() -> None:
    films, lungs = _film_with_lungs()
    first = paint(films, lungs, torch.Generator().manual_seed(5))
    again = paint(films, lungs, torch.Generator().manual_seed(5))
    other = paint(films, lungs, torch.Generator().manual_seed(6))
    assert torch.equal(first.films, again.films)
    assert not torch.equal(first.films, other.films)


def test_extent_follows_the_scale() -> None:
    shares = torch.tensor([0.0, 0.125, 0.375, 0.625, 0.9, 1.0])
    assert torch.allclose(
        extent_of_share(shares), torch.tensor([0.0, 1.25, 2.15, 3.05, 4.0, 4.0]), atol=0.05
    )


@given(st.floats(0.12, 0.96), st.floats(0.0, 1.0))
def test_denser_or_wider_opacities_never_score_lower(alpha: float, share: float) -> None:
    here = opacity_of_density(torch.tensor(alpha), torch.tensor(share))
    denser = opacity_of_density(torch.tensor(alpha + 0.01), torch.tensor(share))
    wider = opacity_of_density(torch.tensor(alpha), torch.tensor(min(share + 0.01, 1.0)))
    assert 0 <= here <= 4
    assert denser >= here - 1e-6
    assert wider >= here - 1e-6
