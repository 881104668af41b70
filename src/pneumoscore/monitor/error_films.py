"""Films that a model's error is measured on: perturbed copies, and pairs close in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import NotScorableError
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.film_changes import RETAKES, change_film
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

__all__ = [
    "FilmPair",
    "MeasuredFilm",
    "Retakes",
    "measure_retakes",
    "near_pairs",
    "one_of_each_first",
    "retake",
    "score_films",
    "with_neighbour",
]

_AT_ONCE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Retakes:
    """Scores of films and of their perturbed copies on one scale.

    Attributes
    ----------
    scale : str
        Which score.
    values : ndarray of float, shape (films, 1 + retakes)
        The film itself first.
    """

    scale: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeasuredFilm:
    """One film that an error is measured on.

    Attributes
    ----------
    path : Path
        Its file.
    patient : str
        Whose it is.
    day : float
        When, in days from any day 0 of the patient's; NaN where it is not known: such a film is
        in no pair.
    view : str or None
        Projection.
    """

    path: Path
    patient: str
    day: float
    view: str | None = None


@dataclass(frozen=True, slots=True)
class FilmPair:
    """Two films of one patient, close in time.

    Attributes
    ----------
    patient : str
        Identifier.
    first, second : float
        Scores.
    same_projection : bool
        False where one is known to be AP and the other PA.
    """

    patient: str
    first: float
    second: float
    same_projection: bool


def retake(radiograph: Radiograph, generator: np.random.Generator) -> Radiograph:
    """Return the film under three of `RETAKES`, as another exposure of the same lungs."""
    for place in generator.choice(len(RETAKES), _AT_ONCE, replace=False):
        radiograph = change_film(radiograph, RETAKES[place])
    return radiograph


def measure_retakes(
    model: SeverityModel,
    paths: Sequence[Path],
    *,
    retakes: int = 8,
    seed: int = 0,
    done: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Retakes]:
    """Score films and perturbed copies of them.

    Parameters
    ----------
    model : SeverityModel
        Which model; what its gate refuses is scored all the same.
    paths : sequence of Path
        Frontal films.
    retakes : int, optional
        Copies of each film.
    seed : int, optional
        Of the generator.
    done : int, optional
        Films done before, for `progress`.
    progress : callable, optional
        Called with the number of films done.

    Returns
    -------
    dict of str to Retakes
        By scale.
    """
    generator = np.random.default_rng(seed)
    rows: dict[str, list[list[float]]] = {scale: [] for scale in model.shown}
    for number, path in enumerate(paths, start=done + 1):
        # Copies cannot be read again with more pixels, so the film itself must not be.
        film = replace(read_radiograph(path))
        variants = [film, *(retake(film, generator) for _ in range(retakes))]
        scored = [
            score
            for score in model.score_many(variants, len(variants), force=True)
            if not isinstance(score, NotScorableError)
        ]
        for scale, table in rows.items():
            table.append([score[scale].value for score in scored])
        if progress is not None:
            progress(number)
    return {scale: Retakes(scale, np.array(table)) for scale, table in rows.items()}


def near_pairs(
    films: Sequence[MeasuredFilm],
    scores: Mapping[Path, Mapping[str, float]],
    scale: str,
    apart_days: float,
) -> list[FilmPair]:
    """Return all pairs of films of one patient that are at most `apart_days` apart."""
    by_patient: dict[str, list[MeasuredFilm]] = {}
    for film in films:
        if scale in scores.get(film.path, {}):
            by_patient.setdefault(film.patient, []).append(film)
    pairs = []
    for patient, group in by_patient.items():
        for first, second in combinations(group, 2):
            if abs(first.day - second.day) <= apart_days:
                views = {projection(first.view), projection(second.view)} - {None}
                values = [scores[film.path][scale] for film in (first, second)]
                pairs.append(FilmPair(patient, values[0], values[1], len(views) < 2))
    return pairs


def score_films(
    model: SeverityModel,
    films: Sequence[MeasuredFilm],
    progress: Callable[[int], None] | None,
) -> dict[Path, dict[str, float]]:
    """Score films; those that cannot be read or that the gate refuses make no pair."""
    from pneumoscore.pipeline.job import score_files

    found: dict[Path, dict[str, float]] = {}
    for number, result in enumerate(score_files([film.path for film in films], model), start=1):
        if result.score is not None:
            found[result.path] = {item.scale.name: item.value for item in result.score.scales}
        if progress is not None:
            progress(number)
    return found


def with_neighbour(films: Sequence[MeasuredFilm], apart_days: float) -> list[MeasuredFilm]:
    """Return the films that have another one of their patient at most `apart_days` away."""
    days: dict[str, list[float]] = {}
    for film in films:
        days.setdefault(film.patient, []).append(film.day)
    return [
        film
        for film in films
        if sum(abs(day - film.day) <= apart_days for day in days[film.patient]) > 1
    ]


def one_of_each_first(films: Sequence[MeasuredFilm]) -> list[MeasuredFilm]:
    """Return films, first one of each patient, then their second ones, and so on."""
    rounds: dict[int, list[MeasuredFilm]] = {}
    seen: dict[str, int] = {}
    for film in films:
        seen[film.patient] = seen.get(film.patient, 0) + 1
        rounds.setdefault(seen[film.patient], []).append(film)
    return [film for number in sorted(rounds) for film in rounds[number]]
