"""Where the pixels of a radiograph lie in the image of its file."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the pixels of a radiograph lie in the image of its file.

    Reading may shrink, turn, mirror and trim. A pixel edge ``(row, column)`` of the radiograph
    lies at ``down[0] * row + down[1] * column + down[2]`` rows and
    ``across[0] * row + across[1] * column + across[2]`` columns of the stored image.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the stored image.
    down, across : tuple of float
        The affine map.

    Examples
    --------
    >>> Origin((100, 80)).mirrored(80).at(0, 0)
    (0.0, 80.0)
    """

    shape: tuple[int, int]
    down: tuple[float, float, float] = (1.0, 0.0, 0.0)
    across: tuple[float, float, float] = (0.0, 1.0, 0.0)

    def at(self, row: float, column: float) -> tuple[float, float]:
        """Return the row and column of the stored image of a pixel edge."""
        return _dot(self.down, row, column), _dot(self.across, row, column)

    def place(self, row: float, column: float) -> tuple[float, float]:
        """Return the pixel edge that lies at a row and column of the stored image.

        Examples
        --------
        >>> Origin((100, 80)).scaled(2, 2).mirrored(40).place(10, 20)
        (5.0, 30.0)
        """
        (a, b, c), (d, e, f) = self.down, self.across
        row, column, area = row - c, column - f, a * e - b * d
        return (e * row - b * column) / area, (a * column - d * row) / area

    @property
    def stored_pixels(self) -> float:
        """Stored pixels along the longer side of one pixel: over 1 where some were averaged."""
        (a, b, _), (d, e, _) = self.down, self.across
        return max(math.hypot(a, d), math.hypot(b, e))

    def scaled(self, rows: float, columns: float) -> Origin:
        """Return the origin of pixels that are so many times as high and wide."""
        return Origin(
            self.shape,
            (self.down[0] * rows, self.down[1] * columns, self.down[2]),
            (self.across[0] * rows, self.across[1] * columns, self.across[2]),
        )

    def moved(self, top: float, left: float) -> Origin:
        """Return the origin of the part that begins at ``(top, left)``."""
        row, column = self.at(top, left)
        return Origin(self.shape, (*self.down[:2], row), (*self.across[:2], column))

    def transposed(self) -> Origin:
        """Return the origin of the pixels with rows and columns exchanged."""
        (a, b, c), (d, e, f) = self.down, self.across
        return Origin(self.shape, (b, a, c), (e, d, f))

    def upside_down(self, rows: int) -> Origin:
        """Return the origin of the pixels with their `rows` in reverse."""
        return self.moved(rows, 0).scaled(-1.0, 1.0)

    def mirrored(self, columns: int) -> Origin:
        """Return the origin of the pixels with their `columns` in reverse."""
        return self.moved(0, columns).scaled(1.0, -1.0)


def _dot(line: tuple[float, float, float], row: float, column: float) -> float:
    return line[0] * row + line[1] * column + line[2]
