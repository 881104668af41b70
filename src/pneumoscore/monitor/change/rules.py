"""The rule set: when a change is called, and what is advised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pneumoscore.errors import UnreadableFileError
from pneumoscore.forms import from_form, read_form, to_form
from pneumoscore.severity.scale import scale_named

__all__ = ["RuleSet", "read_rules"]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules by which a change is told from noise; a site may set its own.

    Every film is judged when it comes. Its level (that of the last films) is compared with the
    level before: of the films since the last change, at most `before_films` of them. Two shapes
    of change are looked for:

    - a **step**: the last two films, the nearer of them, or the last three to `recent_films`
      against those before;
    - a **trend**: a line that rises or falls through the last three to `trend_films` films from
      the level before.

    One film alone calls nothing: it is "to be confirmed by the next film". A change that was
    called is said for `hold_days` and as long as it goes on; two films on the side of the old
    level take it back ("returned"). `pneumoscore patient simulate` prints what the thresholds,
    in standard errors that take films for independent, lead to when they are not.

    Attributes
    ----------
    name, version : str
        Shown beside every verdict. Change the name when you change a threshold.
    step_errors, first_step_errors, trend_errors : float
        Standard errors that call a step, a step against a single film, and a trend.
    odd_film : float
        Standard errors from which one film is to be confirmed.
    recent_films, trend_films, before_films : int
        Most films of a new level, of a trend, and of the level before.
    trend_before : int
        Fewest films before a trend.
    scales : tuple of str
        Scales that are watched.
    smallest_change : mapping of str to float
        By scale, points that a change must have, beyond being detectable. No minimal important
        change of these scores is published; by default none is asked for.
    hold_days : float
        For how long after it was last called a change is said, whatever follows.
    trend_days : float
        How far back it is looked whether a change goes on, and half width of the window of the
        local trend that is shown.
    goes_on_errors : float
        Standard errors of the slope by which it goes on.
    """

    name: str = "pneumoscore-levels"
    version: str = "2"
    step_errors: float = 4.0
    first_step_errors: float = 4.8
    trend_errors: float = 3.3
    odd_film: float = 2.6
    recent_films: int = 4
    trend_films: int = 10
    before_films: int = 10
    trend_before: int = 4
    scales: tuple[str, ...] = ("geographic_extent", "opacity")
    smallest_change: Mapping[str, float] = field(default_factory=dict)
    hold_days: float = 7.0
    trend_days: float = 10.0
    goes_on_errors: float = 0.4

    def __post_init__(self) -> None:
        for scale in (*self.scales, *self.smallest_change):
            scale_named(scale)
        sound = (
            min(self.step_errors, self.first_step_errors, self.trend_errors, self.odd_film) > 0.0
            and self.recent_films >= 2
            and self.trend_films >= 3
            and self.before_films >= self.trend_before >= 2
            and self.scales
            and self.hold_days >= 0.0
            and self.trend_days > 0.0
        )
        if not sound:
            raise UnreadableFileError(
                f"the rule set {self.name!r} has a threshold out of range",
                "standard errors and days over 0, at least 2 recent films, 3 of a trend, 2 "
                "before, and one scale",
            )

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def as_dict(self) -> dict[str, Any]:
        """Return the rules as a JSON file holds them."""
        form: dict[str, Any] = to_form(self)
        return form


def read_rules(path: Path | None) -> RuleSet:
    """Read a rule set from a JSON file with the fields of `RuleSet`; None gives the default.

    Raises
    ------
    UnreadableFileError
        If the file is missing, no JSON object, or has unknown or impossible fields.
    """
    if path is None:
        return RuleSet()
    form = read_form(path, "a rule set", error=UnreadableFileError)
    if not {"name", "version"} <= form.keys():
        raise UnreadableFileError(
            f"the rules {path.name} do not say what they are",
            "name and version",
            "give them a name of their own, other than that of the default",
        )
    return from_form(RuleSet, form, f"the rules {path.name}", error=UnreadableFileError)
