"""Scales: what a score's number means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pneumoscore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "GEOGRAPHIC_EXTENT",
    "OPACITY",
    "OPACITY_RALO",
    "SCALES",
    "Scale",
    "rescale_opacity",
    "scale_named",
]

Values = TypeVar("Values", float, "NDArray[np.float64]")


@dataclass(frozen=True, slots=True)
class Scale:
    """A score's name, range and definition.

    Attributes
    ----------
    name : str
        For example ``"geographic_extent"``.
    low, high : float
        Ends of the range; both lungs added.
    definition : str
        How a reader arrives at the number.
    """

    name: str
    low: float
    high: float
    definition: str

    @property
    def title(self) -> str:
        """Name for people: ``"Geographic extent"``."""
        plain = self.name.removesuffix("_ralo").replace("_", " ").capitalize()
        return f"{plain} (RALO)" if self.name.endswith("_ralo") else plain

    @staticmethod
    def from_form(name: str) -> Scale:
        """Return the scale that a file names (`pneumoscore.forms`)."""
        return scale_named(name)

    def to_form(self) -> str:
        """Return the name, by which files refer to the scale."""
        return self.name

    def clip(self, value: float) -> float:
        """Return `value` limited to the range.

        Examples
        --------
        >>> GEOGRAPHIC_EXTENT.clip(9.1)
        8.0
        """
        return min(max(float(value), self.low), self.high)


GEOGRAPHIC_EXTENT = Scale(
    "geographic_extent",
    0.0,
    8.0,
    "Share of each lung involved: 0 none, 1 under 25 %, 2 25-50 %, 3 50-75 %, 4 over 75 %; "
    "right and left added (Cohen et al. 2020, Methods)",
)
OPACITY = Scale(
    "opacity",
    0.0,
    6.0,
    "Density of each lung: 0 none, 1 ground glass, 2 consolidation, 3 white-out; "
    "right and left added (Cohen et al. 2020, Methods)",
)
OPACITY_RALO = Scale(
    "opacity_ralo",
    0.0,
    8.0,
    "Density of each lung: 0 none, 1 ground glass, 2 consolidation, 3 mixed with more than half "
    "consolidation, 4 white-out; right and left added (RALO data set)",
)
SCALES = (GEOGRAPHIC_EXTENT, OPACITY, OPACITY_RALO)


def scale_named(name: str) -> Scale:
    """Return the scale called `name`.

    Raises
    ------
    ModelError
        If there is no such scale.

    Examples
    --------
    >>> scale_named("opacity").high
    6.0
    """
    for scale in SCALES:
        if scale.name == name:
            return scale
    raise ModelError(
        f"scale {name!r} is unknown", "one of " + ", ".join(scale.name for scale in SCALES)
    )


def rescale_opacity(values: Values, source: Scale, target: Scale) -> Values:
    """Bring opacity from 0-8 (RALO) to 0-6 or back: times 6/8, times 8/6.

    The one rule of this project, that of the RALO data set's authors. It keeps both ends and
    all order, an error or an interval converts by the same factor, and no part of the range is
    drawn together. By their definitions the scales agree at the low end (none, ground glass,
    consolidation are 0, 1, 2 on both) and part above; a rule that leaves the first two points
    of each lung alone and halves the rest halves the spread of labels above 4 too, so that
    intervals fitted to it are too narrow there. No film outside the paper's 94, which are the
    test set, has labels on both scales, so neither rule can be shown to be the better: labels
    are compared with scores of their own scale wherever there is a head for it.

    Parameters
    ----------
    values : float or ndarray of float64
        Scores, labels or distances on `source`.
    source, target : Scale
        `OPACITY` or `OPACITY_RALO`.

    Returns
    -------
    float or ndarray of float64
        On `target`, not clipped.

    Raises
    ------
    ModelError
        If a scale is no opacity scale.

    Examples
    --------
    >>> rescale_opacity(4.0, OPACITY_RALO, OPACITY)
    3.0
    """
    for scale in (source, target):
        if scale not in (OPACITY, OPACITY_RALO):
            raise ModelError(f"{scale.name} is no opacity scale", "opacity or opacity_ralo")
    return values * (target.high / source.high)
