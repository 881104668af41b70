"""Measuring a model's test-retest error: by perturbation and by near-simultaneous films.

Perturbation gives the error's course over the scale, near-simultaneous films its size: two
films of one patient on one day also differ by position, inspiration and what happened in
between, which no perturbation of the pixels contains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.film_changes import RETAKES, change_film
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap

__all__ = [
    "FilmPair",
    "MeasuredFilm",
    "Retakes",
    "fit_error_model",
    "fit_scale",
    "measure_retakes",
    "near_pairs",
    "retake",
    "robust_scale",
]

_KNOTS = 5
_AT_ONCE = 3
_FEWEST = 20
# Kernel half width over the range of the scale, and the least error over it.
_BANDWIDTH = 1.0 / 6.0
_LEAST = 0.01


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
        When, in days from any day 0 of the patient's.
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
    progress : callable, optional
        Called with the number of films done.

    Returns
    -------
    dict of str to Retakes
        By scale.
    """
    generator = np.random.default_rng(seed)
    rows: dict[str, list[list[float]]] = {scale: [] for scale in model.shown}
    for done, path in enumerate(paths, start=1):
        film = read_radiograph(path)
        variants = [film, *(retake(film, generator) for _ in range(retakes))]
        scored = [
            score
            for score in model.score_many(variants, len(variants), force=True)
            if not isinstance(score, NotScorableError)
        ]
        for scale, table in rows.items():
            table.append([score[scale].value for score in scored])
        if progress is not None:
            progress(done)
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


def fit_scale(retakes: Retakes, pairs: Sequence[FilmPair]) -> ScaleError:
    """Fit the error of one film on one scale.

    The variance over retakes, averaged with a Gaussian kernel around five scores, gives the
    course; the robust size of the differences of near-simultaneous films in units of that
    error (`robust_scale`) gives a factor, used where it is over 1.

    Parameters
    ----------
    retakes : Retakes
        Perturbed copies.
    pairs : sequence of FilmPair
        Near-simultaneous films.
    """
    scale = scale_named(retakes.scale)
    span = scale.high - scale.low
    levels = retakes.values.mean(axis=1)
    variances = retakes.values.var(axis=1, ddof=1)
    knots = np.linspace(scale.low, scale.high, _KNOTS)
    kernel = np.exp(-0.5 * ((knots[:, None] - levels) / (_BANDWIDTH * span)) ** 2)
    smooth = np.sqrt(kernel @ variances / kernel.sum(axis=1))
    course = np.maximum(smooth, _LEAST * span)
    evidence = {
        "films": float(len(levels)),
        "perturbation_sd": float(np.sqrt(variances.mean())),
        "pairs": float(len(pairs)),
        "pair_patients": float(len({pair.patient for pair in pairs})),
    }
    factor, low, high = 1.0, 1.0, 1.0
    if pairs:
        estimate, sd = _pair_factor(ScaleError(tuple(knots), tuple(course)), pairs)
        factor = max(1.0, estimate.value)
        evidence |= {"pair_sd": sd, "factor": estimate.value}
        if np.isfinite(estimate.low):
            evidence |= {"factor_low": estimate.low, "factor_high": estimate.high}
            low, high = (max(1.0, end) / factor for end in (estimate.low, estimate.high))
    rounded = {name: round(value, 4) for name, value in evidence.items()}
    return ScaleError(
        tuple(float(knot) for knot in knots),
        tuple(float(sd) for sd in course * factor),
        min(1.0, low),
        max(1.0, high),
        rounded,
    )


def _pair_factor(errors: ScaleError, pairs: Sequence[FilmPair]) -> tuple[Estimate, float]:
    """Return how much larger near-simultaneous differences are, and their error of one film."""
    differences = np.array([pair.second - pair.first for pair in pairs])
    middle = [(pair.first + pair.second) / 2.0 for pair in pairs]
    sds = np.array([errors.sd(value) for value in middle])
    relative = differences / (np.sqrt(2.0) * sds)

    def scale(draw: Draw) -> dict[str, float]:
        counts = np.bincount(draw.clusters)
        return {"factor": robust_scale(relative[draw.index], 1.0 / counts[draw.clusters])}

    estimate = PatientBootstrap(tuple(pair.patient for pair in pairs)).estimate(scale)["factor"]
    each = {pair.patient: 0 for pair in pairs}
    for pair in pairs:
        each[pair.patient] += 1
    weights = np.array([1.0 / each[pair.patient] for pair in pairs])
    return estimate, robust_scale(differences / np.sqrt(2.0), weights)


def robust_scale(values: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> float:
    """Return the standard deviation around 0 by Huber's proposal 2 (k = 1.5).

    With weights 1 / (pairs of the patient), all patients count alike.

    Between two films of one day the patient now and then does change, after an intubation
    for example; a root mean square would take that for error. Source: Huber 1964 (Ann Math
    Stat 35: 73-101), with the location known to be 0; consistent for normal errors.
    """
    bound = 1.5
    normal = NormalDist()
    inside = 2.0 * normal.cdf(bound) - 1.0
    expected = inside - 2.0 * bound * normal.pdf(bound) + bound**2 * (1.0 - inside)
    scale = float(np.sqrt(np.average(values**2, weights=weights)))
    for _ in range(200):
        if scale <= 0.0:
            return 0.0
        shrunk = np.minimum(np.abs(values) / scale, bound)
        factor = float(np.sqrt(np.average(shrunk**2, weights=weights) / expected))
        scale *= factor
        if abs(factor - 1.0) < 1e-6:
            break
    return scale


def fit_error_model(
    model: SeverityModel,
    films: Sequence[MeasuredFilm],
    *,
    perturbed: int = 100,
    retakes: int = 6,
    apart_days: float = 1.0,
    of_what: str = "films",
    more_pairs: Mapping[str, Sequence[FilmPair]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> ErrorModel:
    """Measure a model's test-retest error.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    films : sequence of MeasuredFilm
        Those that taught the model are left out, as far as it knows them: on them its error
        comes out too small.
    perturbed : int, optional
        Films to perturb, one of each patient first.
    retakes : int, optional
        Perturbed copies of each.
    apart_days : float, optional
        Films of a patient at most so many days apart are a pair. What changes in that time
        counts as error.
    of_what : str, optional
        What the films are, for people.
    more_pairs : mapping of str to sequence of FilmPair, optional
        Further pairs by scale, of scores by networks that saw neither film's patient.
    progress : callable, optional
        Called with the number of films done.

    Raises
    ------
    PneumoScoreError
        If there are too few films.
    """
    taught = model.seen.among(film.path for film in films)
    films = [film for film in films if film.path not in taught]
    chosen = _one_of_each_first(films)[:perturbed]
    if len(chosen) < _FEWEST or retakes < 2:
        raise PneumoScoreError(
            f"{len(chosen)} films and {retakes} retakes of each",
            f"at least {_FEWEST} films that did not teach the model, and 2 retakes",
        )
    measured = measure_retakes(
        model, [film.path for film in chosen], retakes=retakes, progress=progress
    )
    paired = _with_neighbour(films, apart_days)
    scores = _scored(model, paired, len(chosen), progress)
    scales = {}
    for scale, found in measured.items():
        everything = near_pairs(paired, scores, scale, apart_days)
        everything += list((more_pairs or {}).get(scale, ()))
        comparable = [pair for pair in everything if pair.same_projection]
        fitted = fit_scale(found, comparable)
        extra = {
            "pairs_of_other_projections": float(len(everything) - len(comparable)),
            "apart_days": float(apart_days),
        }
        scales[scale] = replace(fitted, evidence={**fitted.evidence, **extra})
    identity = model.identity
    others = ", some scored by networks of a cross-validation" if more_pairs else ""
    gap = "one day" if apart_days == 0 else f"{apart_days:g} days apart at most"
    return ErrorModel(
        identity.name,
        identity.version,
        identity.sha256,
        scales,
        f"{retakes} perturbed copies of each of {len(chosen)} {of_what} (three of "
        f"{len(RETAKES)} perturbations at once), and pairs of films of one patient "
        f"({gap}, not of differing projection{others}), every patient counted alike",
    )


def _scored(
    model: SeverityModel,
    films: Sequence[MeasuredFilm],
    done: int,
    progress: Callable[[int], None] | None,
) -> dict[Path, dict[str, float]]:
    """Score films; those that cannot be read or that the gate refuses make no pair."""
    from pneumoscore.pipeline.job import score_files

    found: dict[Path, dict[str, float]] = {}
    for number, result in enumerate(score_files([film.path for film in films], model), start=1):
        if result.score is not None:
            found[result.path] = {item.scale.name: item.value for item in result.score.scales}
        if progress is not None:
            progress(done + number)
    return found


def _with_neighbour(films: Sequence[MeasuredFilm], apart_days: float) -> list[MeasuredFilm]:
    days: dict[str, list[float]] = {}
    for film in films:
        days.setdefault(film.patient, []).append(film.day)
    return [
        film
        for film in films
        if sum(abs(day - film.day) <= apart_days for day in days[film.patient]) > 1
    ]


def _one_of_each_first(films: Sequence[MeasuredFilm]) -> list[MeasuredFilm]:
    """Return films, first one of each patient, then their second ones, and so on."""
    rounds: dict[int, list[MeasuredFilm]] = {}
    seen: dict[str, int] = {}
    for film in films:
        seen[film.patient] = seen.get(film.patient, 0) + 1
        rounds.setdefault(seen[film.patient], []).append(film)
    return [film for number in sorted(rounds) for film in rounds[number]]
