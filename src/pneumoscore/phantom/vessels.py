"""Branching vessels and bronchi of the lungs."""

from __future__ import annotations

import numpy as np

from .anatomy import Build
from .fields import FIELD_CM, Field, FilmGrid

__all__ = ["project_vessels"]

_SMALLEST = 0.06


def _grow(
    generator: np.random.Generator,
    place: tuple[float, float],
    heading: float,
    radius: float,
    branches: list[tuple[Field, Field]],
) -> None:
    """Grow one branch and, from its end, its children (radii by Murray's law)."""
    if radius < _SMALLEST:
        return
    length = (1.0 + 3.6 * radius) * generator.uniform(0.6, 1.25)
    steps = 4 if radius > 0.15 else 2
    x, y = place
    points, radii = [(x, y)], [radius]
    for step in range(1, steps + 1):
        heading += 0.16 * generator.standard_normal()
        x += length / steps * np.cos(heading)
        y += length / steps * np.sin(heading)
        points.append((x, y))
        radii.append(radius * (1.0 - 0.12 * step / steps))
    branches.append((np.array(points), np.array(radii)))
    share = generator.uniform(0.35, 0.65)
    spread = generator.uniform(0.3, 0.75)
    turn = 1.0 if generator.uniform() < 0.5 else -1.0
    thin = radius * (1.0 - share) ** (1.0 / 2.7)
    thick = radius * share ** (1.0 / 2.7)
    _grow(generator, (x, y), heading + turn * spread * (1.0 - share), 0.97 * thick, branches)
    _grow(generator, (x, y), heading - turn * spread * share * 1.6, 0.97 * thin, branches)


def project_vessels(build: Build, grid: FilmGrid, lung: Field, seed: int) -> tuple[Field, Field]:
    """Return the thickness of the lungs' vessels and of their bronchi.

    Parameters
    ----------
    build : Build
        The patient.
    grid : FilmGrid
        The film.
    lung : ndarray, shape (size, size)
        Thickness of aerated lung; branches end where there is none.
    seed : int
        The patient's seed.

    Returns
    -------
    tuple of two ndarray of float32, shape (size, size)
        Vessels and air-filled bronchi, in centimetres.
    """
    generator = np.random.default_rng((seed, 3))
    base = (build.left_dome + build.right_dome) / 2.0
    layers = [grid.zeros() for _ in range(4)]
    for side, height in ((-1.0, base - 10.6), (1.0, base - 11.6)):
        for number, fan in enumerate(np.linspace(-1.25, 1.45, 9)):
            heading = fan + 0.12 * generator.standard_normal()
            radius = generator.uniform(0.42, 0.58) + 0.15 * (fan > 0.5)
            start = (side * (3.1 + 0.5 * generator.uniform()), height + 1.3 * fan)
            branches: list[tuple[Field, Field]] = []
            _grow(generator, (0.0, 0.0), heading, radius, branches)
            layer = layers[number % 3]
            for points, radii in branches:
                points = points * np.array([side, 1.0]) + np.array(start)
                if radii[0] > 0.3 * grid.pixel and _inside(grid, lung, points[-1]):
                    grid.stamp_tube(layer, points, radii)
                    if radii[0] > 0.08:
                        beside = points + np.array([0.0, 1.5 * float(radii[0])])
                        grid.stamp_tube(layers[3], beside, 0.75 * radii)
        hilum = np.array(
            [(side * 2.6, height), (side * 3.9, height + 1.8), (side * 4.6, height + 5)]
        )
        grid.stamp_tube(layers[0], hilum, np.array([1.1, 0.95, 0.5]))
    vessels: Field = layers[0] + layers[1] + layers[2]
    # Where little lung lies in the beam, behind the heart or the liver, there are few vessels.
    room = 0.12 * lung
    return np.minimum(vessels, room), np.minimum(layers[3], room)


def _inside(grid: FilmGrid, lung: Field, point: Field) -> bool:
    column = int((float(point[0]) + FIELD_CM / 2) / grid.pixel)
    row = int(float(point[1]) / grid.pixel)
    if not (0 <= column < grid.size and 0 <= row < grid.size):
        return False
    return bool(lung[row, column] > 0.5)
