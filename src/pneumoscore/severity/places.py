"""Where a score comes from, where that is more than the coefficients of how much it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError

__all__ = ["Places"]

_FLOOR = 0.05  # per place, so that a film without a mark spreads its score evenly


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """A linear map from the features at one place to the score of a film that is all like it.

    How much may be learnt from the scores of whole films, which need not tell where; expert
    masks, painted opacities and other networks' maps teach that place by place. What a place
    would take away from a score is no place of disease: only what is positive counts.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (feature_width,)
        In points of the scale for one unit of each feature.
    offset : float
        In points of the scale.
    """

    coefficients: NDArray[np.float64]
    offset: float

    def __post_init__(self) -> None:
        coefficients = np.array(self.coefficients, dtype=np.float64)
        coefficients.setflags(write=False)
        object.__setattr__(self, "coefficients", coefficients)
        if coefficients.ndim != 1 or not np.isfinite([*coefficients, self.offset]).all():
            raise ModelError("the places of a head are no list of finite numbers", "finite numbers")

    def shared(
        self, raw: float, feature_map: NDArray[np.floating[Any]]
    ) -> tuple[float, NDArray[np.float64]]:
        """Share a raw score among the places of a film.

        Parameters
        ----------
        raw : float
            The score before clipping.
        feature_map : ndarray, shape (feature_width, rows, columns)
            Of the film.

        Returns
        -------
        intercept : float
            What is shared among no place: 0, or a raw score below 0.
        contributions : ndarray of float64, shape (rows, columns)
            In proportion to what is positive of the linear map; sums to `raw` less the
            intercept.
        """
        at_place = np.einsum("kij,k->ij", feature_map.astype(np.float64), self.coefficients)
        weight = np.maximum(at_place + self.offset, 0.0) + _FLOOR
        shared = max(raw, 0.0)
        return raw - shared, weight * (shared / weight.sum())
