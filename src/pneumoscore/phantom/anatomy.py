"""Soft tissue, lungs and organs of a synthetic chest, as thickness along the beam.

All lengths are centimetres; x is positive to the patient's left, y grows downwards. Shapes are
analytic and drawn to look like a frontal film; they follow no patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import Field, FilmGrid, chord, smoothstep

__all__ = ["Build", "Chest", "cage_half_width", "draw_build", "project_chest"]


@dataclass(frozen=True, slots=True)
class Build:
    """How one synthetic patient differs from the next.

    Attributes
    ----------
    apex : float
        y of the lung apices.
    width : float
        Largest half width of the rib cage's inside.
    right_dome, left_dome : float
        y of the tops of the diaphragm.
    heart : float
        Size of the heart, 1 is usual.
    depth : float
        Thickness of the trunk from front to back.
    breast : float
        Thickness of the breasts, 0 for none.
    turn : float
        Shift of the midline organs by rotation of the patient.
    knob : float
        Radius of the aortic knob.
    supine : bool
        A film taken in bed (AP).
    """

    apex: float
    width: float
    right_dome: float
    left_dome: float
    heart: float
    depth: float
    breast: float
    turn: float
    knob: float
    supine: bool


@dataclass(frozen=True, slots=True, eq=False)
class Chest:
    """Thickness of what the beam crosses.

    Attributes
    ----------
    tissue : ndarray, shape (size, size)
        Soft tissue, outside the lungs' air and all other air.
    lung : ndarray, shape (size, size)
        Aerated lung, seen or hidden.
    lungs : ndarray of bool, shape (2, size, size)
        Right and left lung clear of heart, mediastinum and diaphragm.
    inward : ndarray, shape (size, size)
        Place between the chest wall (0) and the mediastinum (1).
    down : ndarray, shape (size, size)
        Place between the apex (0) and the base (1) of the lung.
    """

    tissue: Field
    lung: Field
    lungs: np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]
    inward: Field
    down: Field


def draw_build(seed: int, view: str) -> Build:
    """Return the build of the patient of this seed."""
    generator = np.random.default_rng((seed, 1))
    apex, width, dome, step, heart, depth, turn, knob = generator.uniform(-1.0, 1.0, 8)
    woman, breast = generator.uniform(0.0, 1.0, 2)
    supine = view == "AP"
    right_dome = 28.4 + 1.1 * dome - (2.6 if supine else 0.0)
    return Build(
        apex=6.0 + 0.5 * apex,
        width=13.3 + 0.7 * width,
        right_dome=right_dome,
        left_dome=right_dome + 1.1 + 0.5 * step,
        heart=(1.0 + 0.07 * heart) * (1.13 if supine else 1.0),
        depth=21.0 + 2.0 * depth,
        breast=1.0 + 1.6 * breast if woman < 0.45 else 0.0,
        turn=0.35 * turn,
        knob=1.75 + 0.3 * knob,
        supine=supine,
    )


def cage_half_width(build: Build, y: Field) -> Field:
    """Return the inner half width of the rib cage at height `y`."""
    share = np.clip((y - build.apex) / (24.0 - build.apex), 0.0, 1.0)
    top = 4.4
    width = top + (build.width - top) * (1.0 - (1.0 - share) ** 2.5) ** 0.62
    width = width - 0.012 * np.maximum(y - 25.0, 0.0) ** 2
    narrow: Field = np.where(y < build.apex, top, width).astype(np.float32)
    return narrow


def _trunk(build: Build, grid: FilmGrid) -> Field:
    """Thickness of the body without its air."""
    x, y = grid.x, grid.y
    half = build.width + 3.6 + 0.5 * smoothstep(y, 26.0, 38.0)
    shoulder = 1.0 - smoothstep(y, 9.0, 17.5)
    half = half + 3.5 * shoulder - 11.5 * (1.0 - smoothstep(y, 1.0, 7.0)) ** 2
    depth = build.depth * (0.70 + 0.30 * smoothstep(y, 1.0, 13.0))
    depth = depth * (1.0 + 0.10 * smoothstep(y, 26.0, 36.0))
    trunk = depth * chord(np.abs(x / half) ** 6.0) ** 0.8
    arms = grid.zeros()
    fall = 3.0 if build.supine else 0.0
    for side in (-1.0, 1.0):
        path = np.array(
            [(side * 9.0, 7.0), (side * 16.0, 8.4), (side * 21.5, 12.0 + fall), (side * 24.0, 22.0)]
        )
        grid.stamp_tube(arms, path, np.array([4.0, 6.2, 6.0, 5.0]))
    outside = np.maximum(trunk, 0.9 * arms)
    joined: Field = np.maximum(outside, 0.35 * (trunk + arms))
    return joined


def _breasts(build: Build, grid: FilmGrid) -> Field:
    """Thickness of both breasts: fuller below, where they end in a fold."""
    total = grid.zeros()
    for side in (-1.0, 1.0):
        across = (grid.x - side * 7.6) / 6.2
        below = (grid.y - 24.5) / np.where(grid.y > 24.5, 4.6, 8.5)
        total += build.breast * chord(across**2 + below**2)
    return total


def _heart(build: Build, grid: FilmGrid) -> Field:
    """Thickness of the heart and the great vessels beside the mediastinum."""
    x, y = grid.x - build.turn, grid.y
    base = (build.left_dome + build.right_dome) / 2.0
    size = build.heart
    slope = 0.55
    floor = base + 1.5
    across = (x - 2.4 * size) * np.cos(slope) + (y - floor + 4.2) * np.sin(slope)
    along = -(x - 2.4 * size) * np.sin(slope) + (y - floor + 4.2) * np.cos(slope)
    ventricle = 13.0 * size * chord((across / (6.9 * size)) ** 2 + (along / (4.9 * size)) ** 2)
    atrium = 12.0 * chord(((x + 0.3) / (4.0 * size)) ** 2 + ((y - floor + 5.4) / (6.4 * size)) ** 2)
    trunk = 9.0 * chord(((x - 1.1) / 2.9) ** 2 + ((y - base + 10.8) / 5.4) ** 2)
    knob = (
        4.0
        * build.knob
        * chord(((x - 2.1) / build.knob) ** 2 + ((y - base + 15.6) / (1.25 * build.knob)) ** 2)
    )
    # A power mean rounds the corners where the shapes meet.
    squares = [np.square(np.square(part)) for part in (ventricle, atrium, trunk, knob)]
    heart: Field = np.sqrt(np.sqrt(sum(squares))).astype(np.float32)
    return heart


def _domes(build: Build, grid: FilmGrid, cage: Field) -> Field:
    """Y of the diaphragm's upper edge at each x, as a field of depth below it."""
    x, y = grid.x, grid.y
    depth = grid.zeros()
    for side, top in ((-1.0, build.right_dome), (1.0, build.left_dome)):
        outward = side * x
        peak = 6.6
        lateral = np.clip((outward - peak) / np.maximum(cage - peak, 0.1), 0.0, 1.2)
        medial = np.clip((peak - outward) / peak, 0.0, 1.0)
        # The domes meet at one height behind the heart.
        meet = 0.5 * (build.left_dome + build.right_dome - 2.0 * top) * medial**2
        edge = top + meet + 4.6 * lateral**2.6 + 1.5 * medial**2
        depth = np.where(outward >= 0.0, y - edge, depth)
    return depth.astype(np.float32)


def _airways(build: Build, grid: FilmGrid) -> Field:
    """Air in trachea, main bronchi, stomach and bowel."""
    base = (build.left_dome + build.right_dome) / 2.0
    carina = base - 13.6
    turn = build.turn
    air = grid.zeros()
    trachea = np.array([(turn - 0.1, -1.0), (turn, carina - 5.0), (turn - 0.25, carina)])
    grid.stamp_tube(air, trachea, np.array([0.85, 0.85, 0.9]))
    right = np.array([(turn - 0.3, carina - 0.2), (turn - 3.4, carina + 2.6)])
    grid.stamp_tube(air, right, np.array([0.75, 0.5]))
    left = np.array([(turn + 0.1, carina - 0.2), (turn + 4.2, carina + 3.0)])
    grid.stamp_tube(air, left, np.array([0.65, 0.42]))
    x, y = grid.x, grid.y
    bubble_top = build.left_dome + 1.0
    bubble = 4.5 * chord(((x - 6.4) / 3.1) ** 2 + ((y - bubble_top - 2.2) / 2.1) ** 2)
    if not build.supine:  # upright, the stomach's fluid has a level
        bubble = bubble * (1.0 - smoothstep(y, bubble_top + 2.75, bubble_top + 2.9))
    bowel = 2.2 * chord(((x - 10.4) / 2.4) ** 2 + ((y - bubble_top - 5.2) / 1.7) ** 2)
    gas: Field = np.maximum(air, np.maximum(bubble, bowel)).astype(np.float32)
    return gas


def project_chest(build: Build, grid: FilmGrid) -> Chest:
    """Return what the beam crosses at every place of the film."""
    x, y = grid.x, grid.y
    away = np.abs(x)
    cage = cage_half_width(build, y)
    height = np.clip((y - build.apex) / (23.0 - build.apex), 0.0, 1.0)
    wide = chord((away / cage) ** 2)
    column = 0.70 * build.depth * chord((1.0 - height) ** 2.2) * wide

    rise = np.clip((y - build.apex) / 2.8, 0.0, 1.0)
    spread = 0.6 * smoothstep(y, 14.0, 20.0)
    right_edge = 2.5 + spread + 0.55 * np.exp(-(((y - 12.5) / 3.2) ** 2)) - build.turn
    left_edge = 2.55 + spread + build.turn
    edge = np.where(x < 0.0, right_edge, left_edge)
    edge = edge + (4.4 - edge) * (1.0 - np.sqrt(1.0 - (1.0 - rise) ** 2))
    ends = smoothstep(y, build.right_dome - 3.0, build.right_dome + 2.5)
    middle = 0.62 * build.depth * chord((x / edge) ** 2) * (1.0 - ends)

    heart = _heart(build, grid)
    below = _domes(build, grid, cage)
    belly = column * chord((1.0 - np.clip(below / 5.0, 0.0, 1.0)) ** 2) * (below > 0.0)
    lung = np.maximum(column - np.maximum(np.maximum(middle, heart), belly), 0.0)
    lung = np.where((away < cage) & (y > build.apex), lung, 0.0)

    seen = (column > 0.4) & (away > edge) & (heart < 0.05) & (below < 0.0) & (y > build.apex)
    seen &= away < cage
    lungs = np.stack([seen & (x < 0.0), seen & (x > 0.0)])

    body = _trunk(build, grid) + _breasts(build, grid)
    tissue = np.maximum(body - lung - _airways(build, grid), 0.0)
    inward = np.clip((cage - away) / np.maximum(cage - edge, 0.5), 0.0, 1.0)
    dome = np.where(x < 0.0, build.right_dome, build.left_dome)
    down = np.clip((y - build.apex) / (dome - build.apex), 0.0, 1.2)
    return Chest(
        tissue=tissue.astype(np.float32),
        lung=lung.astype(np.float32),
        lungs=lungs,
        inward=inward.astype(np.float32),
        down=np.broadcast_to(down, inward.shape).astype(np.float32),
    )
