"""What a reader may answer, and what each step of a scale means."""

from __future__ import annotations

from dataclasses import dataclass

from pneumoscore.server.errors import ReadingError

__all__ = ["CHANGE_STEPS", "EXTENT_STEPS", "OPACITY_STEPS", "Answer"]

EXTENT_STEPS = {
    0: "no involvement",
    1: "under 25 % of the lung",
    2: "25 to 50 % of the lung",
    3: "50 to 75 % of the lung",
    4: "over 75 % of the lung",
}
"""Geographic extent of one lung (Cohen et al. 2020, Methods)."""

OPACITY_STEPS = {0: "none", 1: "ground glass", 2: "consolidation", 3: "white-out"}
"""Opacity of one lung (Cohen et al. 2020, Methods)."""

CHANGE_STEPS = {
    -2: "the left film is much worse",
    -1: "the left film is worse",
    0: "no difference",
    1: "the right film is worse",
    2: "the right film is much worse",
}
"""Of a pair: the film on the screen's right against the one on its left."""

_LONGEST = 2000
_LUNGS = {
    "extent_right": EXTENT_STEPS,
    "extent_left": EXTENT_STEPS,
    "opacity_right": OPACITY_STEPS,
    "opacity_left": OPACITY_STEPS,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One reader's answer to one item.

    Attributes
    ----------
    extent_right, extent_left : int or None
        Geographic extent of the patient's right and left lung, 0 to 4.
    opacity_right, opacity_left : int or None
        Opacity, 0 to 3.
    change : int or None
        Of a pair, -2 to 2.
    cannot_assess : str or None
        Why the film cannot be assessed; then all scores are None.
    comment : str
        Free text.
    seconds : float
        Time that the item was on the screen.
    """

    extent_right: int | None = None
    extent_left: int | None = None
    opacity_right: int | None = None
    opacity_left: int | None = None
    change: int | None = None
    cannot_assess: str | None = None
    comment: str = ""
    seconds: float = 0.0

    def check(self, *, pair: bool) -> None:
        """Raise unless the answer is whole and of the item's kind.

        Raises
        ------
        ReadingError
            Naming what is missing, out of range, or contradicts.
        """
        scores = {name: getattr(self, name) for name in _LUNGS}
        if max(len(self.comment), len(self.cannot_assess or "")) > _LONGEST:
            raise ReadingError("a comment that is too long", f"at most {_LONGEST} characters")
        if not 0.0 <= self.seconds < 86_400.0:
            raise ReadingError(f"a time of {self.seconds:g} seconds", "0 to 86400")
        if self.cannot_assess is not None:
            if not self.cannot_assess.strip():
                raise ReadingError("no reason why it cannot be assessed", "a few words")
            if self.change is not None or any(value is not None for value in scores.values()):
                raise ReadingError("scores of what cannot be assessed", "either, not both")
            return
        if pair:
            if self.change not in CHANGE_STEPS or any(v is not None for v in scores.values()):
                raise ReadingError("no answer to the pair", "-2 to 2, and no other score")
            return
        if self.change is not None:
            raise ReadingError("a change of a single film", "scores of both lungs")
        for name, steps in _LUNGS.items():
            if scores[name] not in steps:
                raise ReadingError(
                    f"{name.replace('_', ' ')} is {scores[name]}", f"0 to {max(steps)}"
                )
        for side in ("right", "left"):
            extent, opacity = scores[f"extent_{side}"], scores[f"opacity_{side}"]
            if (extent == 0) != (opacity == 0):
                raise ReadingError(
                    f"the {side} lung has extent {extent} and opacity {opacity}",
                    "both 0, or neither",
                )
