"""The score of one film, as it travels to files, tables, pages and PACS."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.limits import READING_VERSION
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.scale import Scale

__all__ = ["RESEARCH_NOTICE", "ModelIdentity", "ScaleScore", "Score"]

RESEARCH_NOTICE = "Research use only, not for medical use"


def _rounded(value: float) -> float:
    return round(value, 4) + 0.0  # without minus zero


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model made a score.

    Attributes
    ----------
    name, version : str
        Of the severity model.
    backbone : str
        Name and version of its backbone.
    sha256 : str
        Hash over all that the score and its flags rest on: the backbone's file and how it is
        fed, the way in which files become pixels, the heads with their intervals, and the
        quality gate.
    reading : int
        Number of the way in which files became pixels (`READING_VERSION`); 0 where it is not
        known.
    """

    name: str
    version: str
    backbone: str
    sha256: str
    reading: int = READING_VERSION

    def as_dict(self) -> dict[str, str | int]:
        """Return the published JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class ScaleScore:
    """One film's score on one scale.

    Attributes
    ----------
    scale : Scale
        Name, range and definition of the number.
    value : float
        `raw` clipped to the scale.
    raw : float
        Intercept plus the sum of `contributions`.
    low, high : float or None
        Ends of the conformal interval, clipped to the scale; None for a head that was
        published without residuals.
    level : float
        Nominal coverage of the interval, for example 0.9.
    right, left : float or None
        Parts of the patient's right and left lung; they sum to `value`. None where there
        is no contribution map.
    intercept : float
        What `raw` is without any contribution: the intercept of the head, or what its places
        leave over.
    contributions : ndarray of float32, shape (map_size, map_size), or None
        Contribution map; sums to ``raw - intercept``. None for heads that do not see
        the pooled features linearly.
    """

    scale: Scale
    value: float
    raw: float
    low: float | None
    high: float | None
    level: float
    right: float | None
    left: float | None
    intercept: float
    contributions: NDArray[np.float32] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the published JSON form of one scale's score, to four decimals.

        The rounded left and right parts still sum to the rounded value.
        """
        value = _rounded(self.value)
        right = None if self.right is None else _rounded(self.right)
        return {
            "value": value,
            "raw": _rounded(self.raw),
            "low": None if self.low is None else _rounded(self.low),
            "high": None if self.high is None else _rounded(self.high),
            "level": self.level,
            "left": None if right is None else _rounded(value - right),
            "right": right,
            "scale": [self.scale.low, self.scale.high],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """All that a severity model says of one film.

    Attributes
    ----------
    scales : tuple of ScaleScore
        One for each head, in the model's order.
    flags : tuple of str
        Quality flags (see `pneumoscore.severity.quality`).
    model : ModelIdentity
        What made the score.
    placement : Placement
        Where the film lies in the backbone's input, to draw maps on the film.
    findings : mapping of str to float
        Raw logits by finding.
    """

    scales: tuple[ScaleScore, ...]
    flags: tuple[str, ...]
    model: ModelIdentity
    placement: Placement
    findings: dict[str, float]

    def __getitem__(self, name: str) -> ScaleScore:
        for scale_score in self.scales:
            if scale_score.scale.name == name:
                return scale_score
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Return the published JSON form (``docs/score.schema.json``)."""
        return {
            "scores": {item.scale.name: item.as_dict() for item in self.scales},
            "flags": list(self.flags),
            "model": self.model.as_dict(),
            "notice": RESEARCH_NOTICE,
        }
