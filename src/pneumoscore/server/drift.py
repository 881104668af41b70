"""Recent films against those that the model was fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from pneumoscore.present.table import Table
from pneumoscore.records.database import Records
from pneumoscore.server.clock import now
from pneumoscore.server.films.outcomes import REFUSED, recent_films
from pneumoscore.server.reading.blinding import WithheldFilms, blinded_films
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.drift import FilmSample, Shift, measure_shifts

__all__ = ["Drift", "drift_table", "measure_drift"]


@dataclass(frozen=True, slots=True)
class Drift:
    """What recent films show.

    Attributes
    ----------
    days : int
        How many whole days, the last one yesterday (UTC).
    films, patients : int
        That count.
    fitted_films : int
        Of the reference; 0 for a model whose bundle holds none.
    shifts : tuple of Shift
        Empty without films or reference.
    """

    days: int
    films: int
    patients: int
    fitted_films: int
    shifts: tuple[Shift, ...]


def measure_drift(records: Records, model: str, fitted: FittedFilms | None, days: int) -> Drift:
    """Compare the films of the last whole days with those a model was fitted on.

    Whole days, so that no two looks differ by one film alone, whose score they would tell.

    Parameters
    ----------
    records : Records
        Open.
    model : str
        Its hash.
    fitted : FittedFilms or None
        What its bundle holds.
    days : int
        How many.
    """
    end = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return _measured(
        records, model, fitted and _Reference(fitted), days, end, blinded_films(records)
    )


class _Reference:
    """What a bundle holds as a sample; the same one for the same bundle."""

    def __init__(self, fitted: FittedFilms) -> None:
        self._fitted = fitted

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reference) and self._fitted is other._fitted

    def __hash__(self) -> int:
        return id(self._fitted)

    def sample(self, recent: FilmSample) -> FilmSample:
        """Return the reference; a flag that no fitted film has is known to be on none."""
        fitted, count = self._fitted, len(self._fitted.patients)
        marks = {}
        if fitted.flags is not None:
            for flag in sorted({*fitted.flags, *recent.marks}):
                marks[flag] = np.zeros(count, dtype=np.bool_)
                marks[flag][list(fitted.flags.get(flag, ()))] = True
        values = {name: np.array(them) for name, them in fitted.scores.items()}
        return FilmSample(np.array(fitted.patients, dtype=np.int64), values, marks)


@lru_cache(maxsize=16)
def _measured(
    records: Records,
    model: str,
    reference: _Reference | None,
    days: int,
    end: datetime,
    blinded: WithheldFilms,
) -> Drift:
    recent = recent_films(records, model, end - timedelta(days=days), end, blinded)
    count, people = len(recent.patients), len(np.unique(recent.patients))
    if reference is None:
        return Drift(days, count, people, 0, ())
    fitted = reference.sample(recent)
    none = np.zeros(count, dtype=np.bool_)
    marks = {flag: recent.marks.get(flag, none) for flag in fitted.marks}
    shifts = measure_shifts(fitted, replace(recent, marks=marks)) if count else ()
    return Drift(days, count, people, len(fitted.patients), shifts)


_VERDICTS = {True: "drift", False: "within noise", None: "too few films to tell"}


def drift_table(drift: Drift) -> Table:
    """Return the comparison as a table."""
    return Table(
        "",
        ("figure", "fitted films", f"last {drift.days} days", "difference [interval]", "verdict"),
        tuple(_row(shift) for shift in drift.shifts),
        "Intervals hold the noise of both, patient by patient, and are simultaneous: in about 19 "
        "of 20 looks at films like the fitted ones no line is called drift.",
    )


def _row(shift: Shift) -> tuple[str, ...]:
    share = shift.figure == "share"
    if share:
        title = "refused" if shift.name == REFUSED else f"flagged {shift.name.replace('_', ' ')}"
    else:
        title = f"{scale_named(shift.name).title}, {shift.figure}"

    def number(value: float, sign: str = "") -> str:
        if np.isnan(value):
            return "-"
        return f"{100 * value:{sign}.1f} %" if share else f"{value:{sign}.2f}"

    ends = f"[{number(shift.low, '+')}, {number(shift.high, '+')}]"
    return (
        title,
        number(shift.reference),
        number(shift.recent),
        f"{number(shift.recent - shift.reference, '+')} {ends}",
        _VERDICTS[shift.drifted],
    )
