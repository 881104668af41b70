"""A film on its way from file to radiograph: pixels, what was done, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.origin import Origin

__all__ = ["Film", "turned"]


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """Pixels of a film, before it is a `Radiograph`.

    Attributes
    ----------
    pixels : ndarray of float32, shape (rows, columns)
        In [0, 1], white = dense.
    origin : Origin
        Where they lie in the image of the file.
    transforms : tuple of str
        What was applied, in order.
    hidden : ndarray of bool, shape (rows, columns), or None
        True for padding and what a shutter hides.
    """

    pixels: NDArray[np.float32]
    origin: Origin
    transforms: tuple[str, ...] = ()
    hidden: NDArray[np.bool] | None = field(default=None)

    def noted(self, *names: str) -> Film:
        """Return the same film with further transforms named."""
        return replace(self, transforms=(*self.transforms, *names))

    def resized(self, rows: int, columns: int) -> Film:
        """Return the film resampled bilinearly, with antialiasing where it shrinks."""
        from PIL import Image

        high, wide = self.pixels.shape
        image = Image.fromarray(self.pixels).resize((columns, rows), Image.Resampling.BILINEAR)
        hidden = None
        if self.hidden is not None:
            mask = Image.fromarray(self.hidden).resize((columns, rows), Image.Resampling.NEAREST)
            hidden = np.asarray(mask, dtype=np.bool)
        return replace(
            self,
            pixels=np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0),
            origin=self.origin.scaled(high / rows, wide / columns),
            hidden=hidden,
        )

    def cut(self, top: int, left: int, rows: int, columns: int) -> Film:
        """Return a part of the film."""
        part = slice(top, top + rows), slice(left, left + columns)
        return replace(
            self,
            pixels=self.pixels[part],
            origin=self.origin.moved(top, left),
            hidden=None if self.hidden is None else self.hidden[part],
        )


def turned(film: Film, transpose: bool, flip_rows: bool, flip_columns: bool) -> Film:
    """Return a film with rows and columns exchanged, then upside down, then mirrored."""
    pixels, origin, hidden = film.pixels, film.origin, film.hidden
    if transpose:
        pixels, origin = pixels.T, origin.transposed()
        hidden = None if hidden is None else hidden.T
    if flip_rows:
        pixels, origin = pixels[::-1], origin.upside_down(len(pixels))
        hidden = None if hidden is None else hidden[::-1]
    if flip_columns:
        pixels, origin = pixels[:, ::-1], origin.mirrored(pixels.shape[1])
        hidden = None if hidden is None else hidden[:, ::-1]
    return replace(film, pixels=pixels, origin=origin, hidden=hidden)
