"""The rule set: when a change is called, and what is advised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

from pneumoscore.errors import UnreadableFileError
from pneumoscore.severity.scale import scale_named

__all__ = ["RuleSet", "read_rules"]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules by which a change is told from noise; a site may set its own.

    A step is looked for at every film: the mean of the last one to `recent_films` films
    against the mean of all films before, since the last step or the first film. The chance
    of ever calling a step in a patient without change is at most `false_alarms`: film m of a
    level gets the share ``1 / (m (m - 1))`` of it, divided by the comparisons made at that
    film and by the number of scales (Bonferroni; the shares of m = 2, 3, ... sum to 1).

    Attributes
    ----------
    name, version : str
        Shown beside every advice. Change the name when you change a threshold.
    false_alarms : float
        Chance that a patient without change is ever called changed.
    recent_films : int
        Longest run of last films that is compared with those before.
    scales : tuple of str
        Scales that are watched.
    smallest_change : mapping of str to float
        By scale, points that a step must have, beyond being detectable. No minimal important
        change of these scores is published; by default none is asked for.
    hold_days : float
        For how long after its detection a step is the advice.
    trend_days : float
        Half width of the window of the local trend.
    """

    name: str = "pneumoscore-steps"
    version: str = "1"
    false_alarms: float = 0.05
    recent_films: int = 3
    scales: tuple[str, ...] = ("geographic_extent", "opacity")
    smallest_change: Mapping[str, float] = field(default_factory=dict)
    hold_days: float = 3.0
    trend_days: float = 7.0

    def __post_init__(self) -> None:
        for scale in (*self.scales, *self.smallest_change):
            scale_named(scale)
        sound = (
            0.0 < self.false_alarms < 1.0
            and self.recent_films >= 1
            and self.scales
            and self.hold_days >= 0.0
            and self.trend_days > 0.0
        )
        if not sound:
            raise UnreadableFileError(
                f"the rule set {self.name!r} has a threshold out of range",
                "false_alarms in (0, 1), recent_films from 1, days over 0, at least one scale",
            )

    def boundary(self, films: int) -> float:
        """Return the difference, in standard errors, that calls a step.

        Parameters
        ----------
        films : int
            Films of the level up to now, the newest included; at least 2.

        Examples
        --------
        >>> round(RuleSet(scales=("opacity",)).boundary(2), 3)
        2.241
        """
        return _boundary(self.false_alarms / len(self.scales), self.recent_films, films)

    def as_dict(self) -> dict[str, Any]:
        """Return the rules as a JSON file holds them."""
        return asdict(self)


@cache
def _boundary(false_alarms: float, recent_films: int, films: int) -> float:
    share = false_alarms / (films * (films - 1))
    comparisons = min(recent_films, films - 1)
    return -NormalDist().inv_cdf(share / comparisons / 2.0)


def read_rules(path: Path | None) -> RuleSet:
    """Read a rule set from a JSON file with the fields of `RuleSet`; None gives the default.

    Raises
    ------
    UnreadableFileError
        If the file is missing, no JSON object, or has unknown or impossible fields.
    """
    if path is None:
        return RuleSet()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"rules {path.name} cannot be read", "a JSON object") from error
    known = {item.name for item in fields(RuleSet)}
    if not isinstance(data, dict) or set(data) - known or not {"name", "version"} <= set(data):
        raise UnreadableFileError(
            f"rules {path.name} are not of the expected form",
            "name and version, and any of " + ", ".join(sorted(known)),
        )
    if "scales" in data:
        data["scales"] = tuple(data["scales"])
    try:
        return RuleSet(**data)
    except TypeError as error:
        raise UnreadableFileError(
            f"rules {path.name} have a value of the wrong kind", "numbers and names"
        ) from error
