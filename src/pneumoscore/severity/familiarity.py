"""Telling films like those a model was fitted on from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.severity.view import frozen_floats

__all__ = ["Familiarity"]


@dataclass(frozen=True, slots=True, eq=False)
class Familiarity:
    """How far a film's features lie from those of the films a model was fitted on.

    The squared distance is Mahalanobis's within the space of the leading principal
    components, plus what lies outside it divided by its usual size (the distance of
    probabilistic principal component analysis, Tipping and Bishop 1999).

    Attributes
    ----------
    centre : ndarray of float32, shape (feature_width,)
        Mean of the features.
    components : ndarray of float32, shape (j, feature_width)
        Principal directions, each divided by the standard deviation along it.
    directions : ndarray of float32, shape (j,)
        Those standard deviations.
    remainder : float
        Standard deviation along a direction outside the components, above 0.
    farthest : float
        Distance beyond which a film is flagged.
    """

    centre: NDArray[np.float32]
    components: NDArray[np.float32]
    directions: NDArray[np.float32]
    remainder: float
    farthest: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", frozen_floats(self.centre, "centre"))
        object.__setattr__(self, "components", frozen_floats(self.components, "components"))
        object.__setattr__(self, "directions", frozen_floats(self.directions, "directions"))
        if (
            self.centre.ndim != 1
            or self.components.shape != (self.directions.size, self.centre.size)
            or not self.remainder > 0
        ):
            raise ModelError(
                f"components {self.components.shape} around a centre {self.centre.shape}",
                "one row of the centre's length for each direction",
            )

    def distances(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the distance of each film, shape (n,); about 1 for a usual film."""
        offset = features.astype(np.float64) - self.centre
        within = offset @ self.components.T.astype(np.float64)
        explained = ((within * self.directions) ** 2).sum(axis=1)
        outside = np.maximum((offset**2).sum(axis=1) - explained, 0.0) / self.remainder**2
        return np.asarray(
            np.sqrt(((within**2).sum(axis=1) + outside) / self.centre.size), dtype=np.float64
        )
