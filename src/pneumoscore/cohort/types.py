"""Cohorts: radiographs with patient, time, labels and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cohort", "CohortFilm"]


@dataclass(frozen=True, slots=True)
class CohortFilm:
    """One radiograph of a cohort and what its table says of it.

    Attributes
    ----------
    name : str
        File name in the cohort's table; unique within the cohort.
    path : Path
        Image file; it need not exist until `pneumoscore.cohort.checks` has looked.
    patient : str
        Patient identifier, unique over all sources of the cohort.
    source : str
        Where the film comes from, for subgroups: ``"cohen"``, ``"hannover"``, a site.
    view : str or None
        Projection as the table gives it: ``"PA"``, ``"AP"``, ``"AP Supine"``.
    sex : {"F", "M"} or None
        Patient's sex.
    age_years : float or None
        Patient's age.
    offset_days : float or None
        Days since the start of symptoms or admission, as the table defines it.
    labels : mapping of str to float
        Label by scale name; a scale without a label is absent.
    outcomes : mapping of str to bool
        Outcome by name (``"icu_admission"``, ``"intubation"``, ``"death"``); an unknown
        outcome is absent.
    """

    name: str
    path: Path
    patient: str
    source: str = ""
    view: str | None = None
    sex: str | None = None
    age_years: float | None = None
    offset_days: float | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Radiographs with patient, time and labels.

    Attributes
    ----------
    name : str
        For tables and reports.
    films : tuple of CohortFilm
        In the table's order.
    terms : str
        Source and licence of films and labels.
    """

    name: str
    films: tuple[CohortFilm, ...]
    terms: str = ""

    def __len__(self) -> int:
        return len(self.films)

    def __iter__(self) -> Iterator[CohortFilm]:
        return iter(self.films)

    @property
    def patients(self) -> tuple[str, ...]:
        """Patient of each film, in film order."""
        return tuple(film.patient for film in self.films)

    def where(self, keep: Callable[[CohortFilm], bool]) -> Cohort:
        """Return the cohort of the films for which `keep` is true."""
        return replace(self, films=tuple(film for film in self.films if keep(film)))

    def labelled(self, scale: str) -> Cohort:
        """Return the cohort of the films that have a label on `scale`."""
        return self.where(lambda film: scale in film.labels)

    def labels(self, scale: str) -> NDArray[np.float64]:
        """Return the labels on `scale`, NaN where a film has none; shape (films,)."""
        return np.array([film.labels.get(scale, np.nan) for film in self.films], dtype=np.float64)

    def outcomes(self, name: str) -> NDArray[np.float64]:
        """Return an outcome as 0 or 1, NaN where it is unknown; shape (films,)."""
        return np.array([film.outcomes.get(name, np.nan) for film in self.films], dtype=np.float64)

    def by_name(self) -> dict[str, CohortFilm]:
        """Return the films by name."""
        return {film.name: film for film in self.films}
