"""What a model says of the films that it was fitted on: the reference for its drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pneumoscore.errors import ModelError

__all__ = ["FittedFilms"]


@dataclass(frozen=True, slots=True)
class FittedFilms:
    """Scores and flags of the films that taught a model's heads, without their names.

    Attributes
    ----------
    patients : tuple of int, length n
        A number for the patient of each film, so that films of one patient count as such.
    scores : mapping of str to tuple of float, each of length n
        The model's values by scale, clipped to it.
    flags : mapping of str to tuple of int, or None
        By quality flag, the places of the films that have it; None where it is not known.

    Raises
    ------
    ModelError
        If the lengths differ or a place is out of range.
    """

    patients: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    flags: Mapping[str, tuple[int, ...]] | None = None

    def __post_init__(self) -> None:
        count = len(self.patients)
        places = [place for found in (self.flags or {}).values() for place in found]
        if any(len(values) != count for values in self.scores.values()) or any(
            not 0 <= place < count for place in places
        ):
            raise ModelError("films that a model was fitted on", f"{count} scores on each scale")
