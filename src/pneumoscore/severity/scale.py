"""Scales: what a score's number means."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.errors import ModelError

__all__ = ["GEOGRAPHIC_EXTENT", "OPACITY", "OPACITY_RALO", "SCALES", "Scale", "scale_named"]


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
