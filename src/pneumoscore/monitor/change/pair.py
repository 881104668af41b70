"""Two films of one patient: what differs, and whether it differs from noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pneumoscore.errors import PneumoScoreError
from pneumoscore.monitor.change.error_model import DETECTABLE_ERRORS, ErrorModel
from pneumoscore.records.types import TimelineFilm

__all__ = ["PairChange", "compare_films", "comparison_warnings", "projection"]


@dataclass(frozen=True, slots=True)
class PairChange:
    """The change from one film to another on one scale.

    Attributes
    ----------
    scale : str
        Which score.
    difference : float
        Second minus first, in points.
    standard_error : float
        Of the difference if nothing changed, by the model's test-retest error at this score.
    smallest_detectable, surely_detectable : float
        1.96 standard errors; and as many at the upper bound of the measured error.
    verdict : {"higher", "perhaps higher", "no detectable change", "perhaps lower", "lower"}
        ``"perhaps"`` between the two: whether that is a change depends on how well the error
        is known. Of pairs without change, 5 % are beyond `smallest_detectable`.
    warnings : tuple of str
        Why the films may not be comparable.
    """

    scale: str
    difference: float
    standard_error: float
    smallest_detectable: float
    surely_detectable: float
    verdict: str
    warnings: tuple[str, ...]

    @property
    def size(self) -> float:
        """Difference over the smallest detectable change, signed."""
        return self.difference / self.smallest_detectable


def compare_films(
    first: TimelineFilm, second: TimelineFilm, scale: str, errors: ErrorModel
) -> PairChange:
    """Compare two films of one patient, scored by one model.

    Raises
    ------
    PneumoScoreError
        If one of them has no score on the scale.
    ModelError
        If the error on the scale was not measured.
    """
    for film in (first, second):
        if scale not in film.values:
            raise PneumoScoreError(
                f"a film has no {scale} by this model", "two scored films", "import it again"
            )
    before, after = first.values[scale].value, second.values[scale].value
    error = errors.scale(scale)
    standard_error = math.sqrt(2.0) * error.sd((before + after) / 2.0)
    difference = after - before
    detectable = DETECTABLE_ERRORS * standard_error
    surely = detectable * error.high
    verdict = "no detectable change"
    if abs(difference) > detectable:
        sure = "" if abs(difference) > surely else "perhaps "
        verdict = sure + ("higher" if difference > 0.0 else "lower")
    return PairChange(
        scale,
        difference,
        standard_error,
        detectable,
        surely,
        verdict,
        comparison_warnings((first,), (second,)),
    )


def projection(view: str | None) -> str | None:
    """Return ``"PA"`` or ``"AP"`` of a view; None if it does not say.

    Examples
    --------
    >>> projection("AP Supine"), projection(None)
    ('AP', None)
    """
    word = (view or "").split(" ")[0].upper()
    return word if word in {"AP", "PA"} else None


def comparison_warnings(
    before: tuple[TimelineFilm, ...], after: tuple[TimelineFilm, ...]
) -> tuple[str, ...]:
    """Say why two groups of films may not be comparable: projection, position, quality."""
    warnings = []
    old = {projection(film.view) for film in before}
    new = {projection(film.view) for film in after}
    if None in old | new:
        warnings.append("projection unknown")
    elif old != new:
        words = ("/".join(sorted(str(item) for item in group)) for group in (old, new))
        warnings.append("projection differs ({} before, {} after)".format(*words))
    elif {film.view for film in before} != {film.view for film in after}:
        warnings.append("position differs")
    for name, films in (("before", before), ("after", after)):
        flags = sorted({flag for film in films for flag in film.flags})
        if flags:
            warnings.append(f"quality {name}: {', '.join(flags).replace('_', ' ')}")
    return tuple(warnings)
