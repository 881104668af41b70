"""Bones of a synthetic chest, as thickness of bone beyond soft tissue."""

from __future__ import annotations

import numpy as np

from .anatomy import Build, cage_half_width
from .fields import Field, FilmGrid, chord, smoothstep

__all__ = ["project_bones"]

# Total fall of each rib from spine to cartilage, first rib first.
_RIB_FALL = (3.6, 5.6, 7.2, 8.4, 9.4, 10.0, 10.4, 10.4, 9.6, 8.4, 6.5)
_CORTEX = 0.13


def _rib_arm(
    grid: FilmGrid,
    start: float,
    fall: float,
    half: float,
    angles: Field,
    side: float,
    radius: float,
) -> Field:
    """Bone of one arm of a rib, a stretch of an ellipse seen from the front."""
    across = half * np.sin(angles)
    down = start + fall * (1.0 - np.cos(angles)) / 2.0
    layer = grid.zeros()
    radii = radius * np.clip(0.5 + 0.25 * np.arange(len(angles)), 0.5, 1.0)
    radii = np.minimum(radii, radii[::-1]) if angles[-1] > 1.6 else radii
    grid.stamp_tube(layer, np.stack([side * across, down], axis=1), radii, _CORTEX)
    # Towards the side the beam runs along the rib; the tube's chord grows accordingly.
    lean = np.abs(grid.x) / half
    longer = np.minimum(1.0 / np.sqrt(np.maximum(1.0 - lean**2, 0.09)), 1.7)
    arm: Field = (layer * longer).astype(np.float32)
    return arm


def _ribs(build: Build, grid: FilmGrid, generator: np.random.Generator) -> Field:
    pitch = 2.33 + 0.06 * generator.uniform(-1.0, 1.0)
    flat = 0.88 if build.supine else 1.0
    total = grid.zeros()
    for number, fall in enumerate(_RIB_FALL):
        start = build.apex - 1.5 + pitch * number
        fall = fall * flat * (1.0 + 0.05 * generator.uniform(-1.0, 1.0))
        side_height = np.array([[start + fall / 2.0]], np.float32)
        half = float(cage_half_width(build, side_height)[0, 0]) + 0.25
        if number == 0:
            half = 5.9
        reach = (2.9, 2.75, 2.55, 2.5, 2.45, 2.4, 2.3, 2.2, 2.1, 1.9, 1.7)[number]
        for side in (-1.0, 1.0):
            back = np.linspace(0.22, 1.50, 30)
            front = np.linspace(1.45, reach, 24)
            behind = _rib_arm(grid, start, fall, half, back, side, 0.60)
            before = _rib_arm(grid, start, fall, half, front, side, 0.68)
            # The arms of one rib cross only where it turns; there it is one bone.
            total += np.maximum(0.40 * behind, 0.28 * before) * (0.6 if number == 0 else 1.0)
    return total


def _spine(build: Build, grid: FilmGrid, generator: np.random.Generator) -> Field:
    """Bodies, end plates, pedicles and spinous processes."""
    x, y = grid.x, grid.y
    pitch = 2.33
    bend = 0.25 * np.sin(y / 9.0 + generator.uniform(0.0, 6.0))
    across = (x - bend).astype(np.float32)
    half = 1.35 + 0.022 * y
    phase = (y - build.apex + 1.5) / pitch
    within = np.abs(phase - np.round(phase)) * pitch
    inside = 1.0 - smoothstep(np.abs(across) - half, -0.12, 0.12)
    body = 1.0 - smoothstep(within, 0.82, 0.98)
    plate = np.exp(-(((within - 0.9) / 0.1) ** 2))
    wall = np.exp(-(((np.abs(across) - half + 0.1) / 0.1) ** 2))
    bone = inside * (0.24 * body + 0.14 * plate + 0.08) + 0.10 * wall * body
    for pedicle in (-1.0, 1.0):
        ring = np.hypot((across - pedicle * 0.62 * half) / 0.36, (within + 0.1) / 0.55)
        bone = bone + 0.15 * np.exp(-(((ring - 1.0) / 0.3) ** 2))
    process = np.hypot(across / 0.26, (within - 0.6) / 0.6)
    bone = bone + 0.22 * chord(process**2)
    spine: Field = (bone * (0.45 + 0.55 * smoothstep(y, 2.0, 12.0))).astype(np.float32)
    return spine


def _shoulders(build: Build, grid: FilmGrid) -> Field:
    """Clavicles, shoulder blades and the heads of the humeri."""
    total = grid.zeros()
    apex = build.apex
    lift = -0.9 if build.supine else 0.0
    for side in (-1.0, 1.0):
        clavicle = grid.zeros()
        path = [(1.7, 3.1), (4.5, 2.3), (8.0, 1.0), (11.5, -0.2), (14.5, -0.5), (16.5, 0.1)]
        points = np.array([(side * px + build.turn, apex + py + lift) for px, py in path])
        grid.stamp_tube(clavicle, points, np.array([0.6, 0.65, 0.58, 0.6, 0.66, 0.7]), 0.17)
        blade = grid.zeros()
        inner = 9.6 if build.supine else 12.9
        corners = [(inner + 2.6, -0.4), (inner, 3.2), (inner + 0.4, 8.6), (inner + 1.8, 12.6)]
        edge = np.array([(side * px, apex + py) for px, py in corners])
        grid.stamp_tube(blade, edge, np.array([0.2, 0.2, 0.24, 0.3]), 0.1)
        outer = [(inner + 1.8, 12.6), (inner + 3.4, 6.5), (inner + 5.0, 2.8)]
        edge = np.array([(side * px, apex + py) for px, py in outer])
        grid.stamp_tube(blade, edge, np.array([0.3, 0.42, 0.6]), 0.14)
        head = grid.zeros()
        shaft = [(inner + 6.2, 2.0), (inner + 6.6, 4.0), (inner + 8.0, 12.0)]
        points = np.array([(side * px, apex + py) for px, py in shaft])
        grid.stamp_tube(head, points, np.array([1.9, 1.6, 1.1]), 0.3)
        total += 0.7 * clavicle + 0.85 * blade + 0.6 * head
    return total


def project_bones(build: Build, grid: FilmGrid, seed: int) -> Field:
    """Return the bone along the beam in centimetres of compact bone.

    Parameters
    ----------
    build : Build
        The patient.
    grid : FilmGrid
        The film.
    seed : int
        The patient's seed.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Thickness in centimetres.
    """
    generator = np.random.default_rng((seed, 2))
    ribs = _ribs(build, grid, generator)
    total: Field = ribs + _spine(build, grid, generator) + _shoulders(build, grid)
    return total
