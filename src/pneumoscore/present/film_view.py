"""A film as pictures show it: reduced, in grey levels, with a map of its score in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.prepare import film_map
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.score import ScaleScore

__all__ = ["FULL_COLOUR", "Film", "film_view", "map_end", "map_on_view", "relative_map"]

FULL_COLOUR = 3.0
"""Where the colours of a contribution map end: this many times the points that one place of a
map has when the whole scale is spread evenly over it. The places of lungs whitened throughout
come to it or beyond, those of clear ones stay far below."""

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]
Film = NDArray[np.float32] | Pixels
"""Grey levels, white = dense: float32 in [0, 1], or uint8."""


def film_view(film: Film, placement: Placement, longest: int, shortest: int = 1) -> Pixels:
    """Return a film as grey levels of a bounded size.

    Parameters
    ----------
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        The scored film, or a smaller copy of it.
    placement : Placement
        Of its score: knows the film's own shape.
    longest : int
        Most pixels of the longer side of the view.
    shortest : int, optional
        Fewest pixels of the longer side; smaller films are enlarged.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)

    Raises
    ------
    ValueError
        If the film has not the proportions of the scored one.
    """
    from PIL import Image

    shape = film.shape
    expected = placement.film_shape
    share = max(shape) / max(expected)
    if any(abs(side - share * whole) > 1.0 for side, whole in zip(shape, expected, strict=True)):
        raise ValueError(
            f"the film has shape {shape}; expected {expected}, the scored film's, or a copy in "
            "its proportions"
        )
    longer = max(shape)
    wanted = min(max(longer, shortest), longest)
    rows, columns = (max(1, round(side * wanted / longer)) for side in shape)
    image = Image.fromarray(film)
    if (rows, columns) != shape:
        image = image.resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels = np.asarray(image)
    if levels.dtype != np.uint8:
        levels = np.rint(np.clip(levels, 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels


def map_end(part: ScaleScore) -> float:
    """Return the points per place at which the colours of a contribution map end.

    It depends on the scale and the number of places alone, never on the film, so that equal
    colours mean equal points on every film that a model scores.

    Parameters
    ----------
    part : ScaleScore
        With a contribution map.

    Raises
    ------
    ValueError
        If the score has no contribution map.
    """
    if part.contributions is None:
        raise ValueError(f"the score on {part.scale.name} has no contribution map")
    return FULL_COLOUR * (part.scale.high - part.scale.low) / part.contributions.size


def relative_map(part: ScaleScore, placement: Placement, shape: tuple[int, int]) -> Values:
    """Return a contribution map on a view: points per place over `map_end`.

    Parameters
    ----------
    part : ScaleScore
        With a contribution map.
    placement : Placement
        Of its score.
    shape : tuple of int
        Rows and columns of the view.

    Returns
    -------
    ndarray of float32, shape `shape`
    """
    end = map_end(part)
    assert part.contributions is not None
    return map_on_view(part.contributions / np.float32(end), placement, shape)


def map_on_view(values: Values, placement: Placement, shape: tuple[int, int]) -> Values:
    """Spread a map of the backbone's input over a film's view.

    Parameters
    ----------
    values : ndarray, shape (map rows, map columns)
        Covers the whole input.
    placement : Placement
        Where the film lies in the input.
    shape : tuple of int
        Rows and columns of the view.

    Returns
    -------
    ndarray of float32, shape `shape`
    """
    return film_map(values, placement.of_copy(shape))
