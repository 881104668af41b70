"""Arrays over the film, in centimetres: splines, noise, soft steps and tubes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELD_CM", "Field", "FilmGrid", "chord", "smoothstep"]

Field = NDArray[np.floating[Any]]
FIELD_CM = 37.0


@dataclass(frozen=True)
class FilmGrid:
    """Pixel centres of a square film of `FIELD_CM` centimetres.

    Columns run from the patient's right (negative x) to the left, rows from the top.

    Attributes
    ----------
    size : int
        Rows and columns.
    """

    size: int
    _bases: dict[float, tuple[Field, Field]] = field(default_factory=dict, repr=False)

    @property
    def pixel(self) -> float:
        """Width of a pixel in centimetres."""
        return FIELD_CM / self.size

    @cached_property
    def y(self) -> Field:
        """Centimetres below the upper edge, shape (size, 1)."""
        steps = (np.arange(self.size, dtype=np.float32) + 0.5) * np.float32(self.pixel)
        return steps[:, None]

    @cached_property
    def x(self) -> Field:
        """Centimetres to the patient's left of the midline, shape (1, size)."""
        return self.y.T - np.float32(FIELD_CM / 2)

    def zeros(self) -> Field:
        """Return an empty field, shape (size, size)."""
        return np.zeros((self.size, self.size), np.float32)

    def _basis(self, spacing: float) -> tuple[Field, Field]:
        """Cubic B-splines `spacing` cm apart: values, shape (size, knots), and weights of it."""
        if spacing not in self._bases:
            knots = int(np.ceil(FIELD_CM / spacing)) + 3
            place = self.y / spacing - (np.arange(knots, dtype=np.float32) - 1.0)
            away = np.abs(place)
            inner = (4.0 - 6.0 * away**2 + 3.0 * away**3) / 6.0
            outer = np.maximum(2.0 - away, 0.0) ** 3 / 6.0
            values = np.where(away < 1.0, inner, outer).astype(np.float32)
            weights = values.T / np.maximum(values.sum(axis=0)[:, None], 1e-6)
            self._bases[spacing] = values, weights
        return self._bases[spacing]

    def blur(self, values: Field, spacing: float) -> Field:
        """Return `values` smoothed by cubic splines `spacing` cm apart."""
        spline, weights = self._basis(max(spacing, 2.0 * self.pixel))
        smooth: Field = spline @ (weights @ values @ weights.T) @ spline.T
        return smooth

    def noise(
        self, generator: np.random.Generator, spacing: float, octaves: int = 1, fall: float = 0.5
    ) -> Field:
        """Return smooth noise of mean 0 and standard deviation about 1.

        The noise is drawn on knots `spacing` cm apart (halved in each octave, whose amplitude
        falls by `fall`), so it is the same pattern at every film size.
        """
        total = self.zeros()
        power = 0.0
        for octave in range(octaves):
            step = spacing / 2**octave
            knots = int(np.ceil(FIELD_CM / step)) + 3
            drawn = generator.standard_normal((knots, knots)).astype(np.float32)
            if step < 1.5 * self.pixel:
                continue  # finer than the film; drawn all the same, for the later numbers
            spline, _ = self._basis(step)
            amplitude = fall**octave
            # A cubic spline of unit white noise keeps 0.479 of its variance in each direction.
            total += (amplitude / 0.479) * (spline @ drawn @ spline.T)
            power += amplitude**2
        return total / np.float32(np.sqrt(max(power, 1e-6)))

    def stamp_tube(self, layer: Field, points: Field, radii: Field, shell: float = 0.0) -> None:
        """Put the thickness of a round tube into `layer`, in place, by maximum.

        Parameters
        ----------
        layer : ndarray, shape (size, size)
            Thickness in centimetres along the beam.
        points : ndarray, shape (n, 2)
            x and y of the tube's axis.
        radii : ndarray, shape (n,)
            Radius at each point.
        shell : float
            Where above 0, the thickness of a cortex: the marrow inside counts a quarter.
        """
        for (x0, y0), (x1, y1), r0, r1 in zip(
            points[:-1], points[1:], radii[:-1], radii[1:], strict=True
        ):
            self._stamp_segment(layer, (x0, y0), (x1, y1), (r0, r1), shell)

    def _window(self, low: float, high: float, origin: float) -> slice:
        first = int(np.floor((low - origin) / self.pixel))
        last = int(np.ceil((high - origin) / self.pixel)) + 1
        return slice(min(max(first, 0), self.size), min(max(last, 0), self.size))

    def _stamp_segment(
        self,
        layer: Field,
        start: tuple[float, float],
        end: tuple[float, float],
        radius: tuple[float, float],
        shell: float,
    ) -> None:
        reach = max(radius)
        columns = self._window(
            min(start[0], end[0]) - reach, max(start[0], end[0]) + reach, -FIELD_CM / 2
        )
        rows = self._window(min(start[1], end[1]) - reach, max(start[1], end[1]) + reach, 0.0)
        window = layer[rows, columns]
        if window.size == 0:
            return
        dx, dy = end[0] - start[0], end[1] - start[1]
        across = self.x[:, columns] - start[0]
        down = self.y[rows] - start[1]
        along = (across * dx + down * dy) / max(dx * dx + dy * dy, 1e-9)
        np.clip(along, 0.0, 1.0, out=along)
        squared = (across - along * dx) ** 2 + (down - along * dy) ** 2
        outer = radius[0] + along * (radius[1] - radius[0])
        thickness = 2.0 * np.sqrt(np.maximum(outer**2 - squared, 0.0))
        if shell > 0.0:
            marrow = 2.0 * np.sqrt(np.maximum(np.maximum(outer - shell, 0.0) ** 2 - squared, 0.0))
            thickness -= 0.75 * marrow
        np.maximum(window, thickness, out=window)


def smoothstep(values: Field, low: float, high: float) -> Field:
    """Return 0 below `low`, 1 above `high` and a smooth rise between."""
    share = np.clip((values - low) / (high - low), 0.0, 1.0)
    rise: Field = share * share * (3.0 - 2.0 * share)
    return rise


def chord(squared_radius: Field) -> Field:
    """Return the relative chord of an ellipse at a squared relative distance from its axis."""
    length: Field = np.sqrt(np.maximum(1.0 - squared_radius, 0.0))
    return length
