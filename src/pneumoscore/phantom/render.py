"""From thickness to a film: attenuation, scatter, noise and tone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .anatomy import Build, Chest, draw_build, project_chest
from .disease import spread_order, spread_pneumonia
from .fields import FIELD_CM, Field, FilmGrid
from .skeleton import project_bones
from .spec import Phantom, PhantomSpec
from .vessels import project_vessels

__all__ = ["render_phantom"]

# Linear attenuation per centimetre at about 60 keV, the mean of a chest film's beam: soft tissue,
# aerated lung (a quarter of its density), and what compact bone adds to soft tissue.
_TISSUE = 0.195
_LUNG = 0.052
_BONE = 0.42
# Vessels with their sheaths; above soft tissue, as film processing brings them out.
_VESSEL = 0.27
_SCATTER = {"PA": 0.30, "AP": 0.45}  # of the primary beam; bedside films have no grid
_QUANTA = 5.0e4


def render_phantom(spec: PhantomSpec) -> Phantom:
    """Render a synthetic frontal chest radiograph by projection.

    Thickness of soft tissue, lung and bone along the beam is attenuated (Beer-Lambert),
    scatter and quantum noise are added, and the logarithm is shown with a film-like tone
    curve and moderate detail enhancement, as a digital radiography system shows it.

    Parameters
    ----------
    spec : PhantomSpec
        What to show.

    Returns
    -------
    Phantom
        The film and the truth about it. The same `spec` gives the same pixels; with the same
        seed more extent covers all that less extent covers.
    """
    grid, build, chest, vessels, bronchi, healthy = _healthy(spec.seed, spec.view, spec.size)
    order = spread_order(chest, grid, spec.seed)
    opacity = spread_pneumonia(chest, grid, order, (spec.right, spec.left), spec.seed)

    diseased = healthy + _added_by(opacity, chest, vessels, bronchi)
    window = _window(_detect(healthy, grid, spec, noise=0.0), chest)
    wires = _wires(build, grid)
    film = _tone(_detect(diseased + wires, grid, spec, noise=spec.noise), window, grid)
    return Phantom(
        spec=spec,
        pixels=_side_letter(film, grid),
        lungs=chest.lungs,
        opacity_map=np.where(chest.lungs.any(axis=0), opacity, np.float32(0.0)),
        pixel_spacing_mm=10.0 * FIELD_CM / spec.size,
    )


@lru_cache(maxsize=1)
def _healthy(seed: int, view: str, size: int) -> tuple[FilmGrid, Build, Chest, Field, Field, Field]:
    """Return a patient's healthy chest, kept for the films of a series: it takes most of the time.

    Grid, build, chest, vessels, bronchi, and the attenuation of all; nobody writes to them.
    """
    grid = FilmGrid(size)
    build = draw_build(seed, view)
    chest = project_chest(build, grid)
    bones = project_bones(build, grid, seed)
    vessels, bronchi = project_vessels(build, grid, chest.lung, seed)
    return (
        grid,
        build,
        chest,
        vessels,
        bronchi,
        _attenuation(chest, bones, vessels, bronchi, grid, seed),
    )


def _attenuation(
    chest: Chest, bones: Field, vessels: Field, bronchi: Field, grid: FilmGrid, seed: int
) -> Field:
    """Line integral of attenuation through the healthy chest."""
    generator = np.random.default_rng((seed, 6))
    flesh = 1.0 + 0.022 * grid.noise(generator, 7.0, octaves=3, fall=0.6)
    parenchyma = 1.0 + 0.07 * grid.noise(generator, 0.9, octaves=4, fall=0.8)
    inside = chest.tissue > 0.0
    lung = _LUNG * (chest.lung - vessels) * parenchyma
    blood = _VESSEL * vessels - 0.5 * _LUNG * np.minimum(bronchi, chest.lung)
    total: Field = _TISSUE * chest.tissue * flesh + lung + blood + _BONE * bones * inside
    return total


def _added_by(opacity: Field, chest: Chest, vessels: Field, bronchi: Field) -> Field:
    """Attenuation that pneumonia adds: tissue in place of air, but not in vessels or bronchi.

    Vessels lose what sets them off from tissue: consolidation hides them.
    """
    column = np.maximum(chest.lung - vessels - 0.9 * bronchi, 0.0)
    added: Field = opacity * ((_TISSUE - _LUNG) * column - (_VESSEL - _TISSUE) * vessels)
    return added


def _side_letter(film: NDArray[np.float32], grid: FilmGrid) -> NDArray[np.float32]:
    """Set a white L at the patient's left, as most systems do."""
    letter = grid.zeros()
    path = np.array([(16.2, 1.8), (16.2, 3.4), (17.1, 3.4)])
    grid.stamp_tube(letter, path, np.full(3, 0.13))
    white = np.minimum(letter / 0.13, 0.95).astype(np.float32)
    marked: NDArray[np.float32] = np.maximum(film, white)
    return marked


def _wires(build: Build, grid: FilmGrid) -> Field:
    """Attenuation of two ECG leads, in bed only."""
    wires = grid.zeros()
    if build.supine:
        along = np.linspace(0.0, 1.0, 24)
        for side, start, end in ((-1.0, 9.0, 15.0), (1.0, 8.0, 27.0)):
            x = side * (11.0 - 1.5 * along + 1.2 * np.sin(4.0 * along + side))
            y = start + (end - start) * along
            grid.stamp_tube(wires, np.stack([x, y], axis=1), np.full(24, 0.07))
            last = np.stack([x[-1:], y[-1:]], axis=1).repeat(2, axis=0)
            grid.stamp_tube(wires, last, np.full(2, 0.42))
    attenuation: Field = 0.9 * np.minimum(wires, 0.35)
    return attenuation


def _detect(attenuation: Field, grid: FilmGrid, spec: PhantomSpec, *, noise: float) -> Field:
    """Return the negative logarithm of what the detector reads."""
    primary = np.exp(-attenuation)
    reading = primary + _SCATTER[spec.view] * np.minimum(grid.blur(primary, 3.0), 0.25) + 1e-4
    if noise > 0.0:
        generator = np.random.default_rng((spec.seed, 7))
        # The share of quanta that one pixel gets falls with its area.
        quanta = _QUANTA * (768.0 / spec.size) ** 2
        grain = generator.standard_normal(reading.shape, dtype=np.float32)
        reading = reading + noise * grain * np.sqrt(reading / quanta)
    log: Field = -np.log(np.maximum(reading, 1e-4))
    return log


def _window(log: Field, chest: Chest) -> tuple[float, float]:
    """Dark and bright end of the display, from the patient's healthy film.

    Disease does not move the window, so films of one patient compare.
    """
    lungs = log[chest.lungs.any(axis=0)]
    body = log[chest.tissue > 4.0]
    low, high = float(np.percentile(lungs, 1.0)), float(np.percentile(body, 97.0))
    return low - 0.16 * (high - low), high


def _tone(log: Field, window: tuple[float, float], grid: FilmGrid) -> NDArray[np.float32]:
    """Show the logarithm through a film-like curve with moderate detail enhancement."""
    low, high = window
    share = (log - low) / (high - low)
    wide = grid.blur(np.clip(share, -0.6, 1.3), 1.8)
    detailed = wide + 1.55 * (share - wide)
    curved = 1.0 / (1.0 + np.exp(-3.2 * (detailed - 0.46)))
    film = np.clip(1.15 * curved - 0.06, 0.0, 1.0)
    kernel = (0.22, 0.56, 0.22)
    padded = np.pad(film, 1, mode="edge")
    film = kernel[0] * padded[:-2] + kernel[1] * padded[1:-1] + kernel[2] * padded[2:]
    film = kernel[0] * film[:, :-2] + kernel[1] * film[:, 1:-1] + kernel[2] * film[:, 2:]
    return np.clip(film, 0.0, 1.0).astype(np.float32)
