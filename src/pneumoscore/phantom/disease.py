"""Where pneumonia lies in a synthetic lung: peripheral, basal and patchy."""

from __future__ import annotations

import numpy as np

from .anatomy import Chest
from .fields import Field, FilmGrid
from .spec import LungDisease

__all__ = ["spread_order", "spread_pneumonia"]

# Share of the air that pneumonia of density 1 replaces; a trace of air always remains.
_FULL = 0.96
_FAINTEST = 0.02


def spread_order(chest: Chest, grid: FilmGrid, seed: int) -> Field:
    """Return how early each place is reached; the highest value first.

    The order does not depend on the amount of disease, so more of it covers all places
    that less of it covers.
    """
    generator = np.random.default_rng((seed, 4))
    patches = grid.noise(generator, 4.5, octaves=5, fall=0.62)
    lean = generator.uniform(0.7, 1.1)
    basal = 1.0 - np.abs(np.minimum(chest.down, 1.0) - 0.86) / 0.86
    peripheral = (1.0 - chest.inward) ** 1.3
    order: Field = (lean * basal + 0.9 * peripheral + 0.42 * patches).astype(np.float32)
    return order


def spread_pneumonia(
    chest: Chest, grid: FilmGrid, order: Field, diseases: tuple[LungDisease, LungDisease], seed: int
) -> Field:
    """Return the share of the lung's air that is replaced at each place.

    Parameters
    ----------
    chest : Chest
        The projected anatomy.
    grid : FilmGrid
        The film.
    order : ndarray, shape (size, size)
        From `spread_order`.
    diseases : tuple of LungDisease
        Right, left.
    seed : int
        The patient's seed.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Above 0 on the involved area only, which is the asked share of each projected lung
        to the nearest pixel; it goes on behind heart and diaphragm.
    """
    generator = np.random.default_rng((seed, 5))
    texture = grid.noise(generator, 1.6, octaves=4, fall=0.75)
    replaced = grid.zeros()
    for mask, half, disease in zip(
        chest.lungs, (grid.x < 0.0, grid.x > 0.0), diseases, strict=True
    ):
        inside = order[mask]
        count = round(disease.extent * inside.size)
        if not disease.is_present or count == 0:
            continue
        threshold = np.partition(inside, inside.size - count)[inside.size - count]
        # Where values tie, a few pixels more or less do not matter; the edge itself is soft.
        depth = np.clip((order - threshold) / 0.45, 0.0, 1.0)
        soft = 0.12 + 0.88 * depth * (2.0 - depth)
        rough = 1.0 + 0.32 * (1.1 - disease.density) * texture
        share = _FULL * disease.density * soft * np.clip(rough, 0.35, 1.6)
        share = np.clip(share, _FAINTEST * disease.density, _FULL)
        replaced += np.where(half & (order >= threshold), share, 0.0).astype(np.float32)
    return replaced
