"""What a scoring run is told: one frozen object in place of ten parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.header_filter import HeaderFilter
from pneumoscore.radiograph.limits import ReadOptions

__all__ = ["VIEW_SIDE", "ScoringOptions"]

VIEW_SIDE = 640
"""Most pixels of the longer side of a film's view."""


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How films are scored; small, and the same for every film of a run.

    Attributes
    ----------
    level : float
        Nominal coverage of the intervals, between 0 and 1.
    force : bool
        Score films that the quality gate refuses; their flags stay.
    scales : tuple of str or None
        Names of the scales; None for those that the model shows.
    read : ReadOptions
        How files are read.
    batch : int
        Films that go through the network together, at least 1.
    view : bool
        Hand out each film's view, to draw on: uint8, the longer side at most `VIEW_SIDE`.
    content : bool
        Hand out the SHA-256 of each file's bytes.
    pixels : bool
        Hand out the SHA-256 of each film's pixels.
    wanted : HeaderFilter or None
        What a film's header must say for it to be read.
    seconds : float
        How long reading one file may take before it is given up, where the engine can.

    Raises
    ------
    PneumoScoreError
        If a value has no sense.
    """

    level: float = 0.9
    force: bool = False
    scales: tuple[str, ...] | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    batch: int = 4
    view: bool = False
    content: bool = False
    pixels: bool = False
    wanted: HeaderFilter | None = None
    seconds: float = 120.0

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise PneumoScoreError(
                f"interval level {self.level}", "a number between 0 and 1, as 0.9"
            )
        if self.batch < 1 or self.seconds <= 0.0:
            raise PneumoScoreError(
                f"batch {self.batch} and {self.seconds:g} seconds a file", "numbers above 0"
            )

    def published(self) -> dict[str, Any]:
        """Return the options that change a score or its interval, for outputs."""
        return {
            "level": self.level,
            "force": self.force,
            "voi": self.read.voi,
            "background": self.read.background,
        }
