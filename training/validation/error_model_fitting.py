"""Measuring a model's test-retest error: by perturbation and by near-simultaneous films.

Perturbation gives the error's course over the scale, near-simultaneous films its size: two
films of one patient on one day also differ by position, inspiration and what happened in
between, which no perturbation of the pixels contains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.public import load_cohen94, load_hannover, load_scored
from pneumoscore.errors import NotScorableError, PneumoScoreError
from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.change.pair import projection
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from training.film_changes import RETAKES, change_film
from training.validation.series import (
    PatientSeries,
    collection_series,
    hannover_series,
    score_cohorts,
)

__all__ = [
    "FilmPair",
    "Retakes",
    "fit_error_model",
    "fit_scale",
    "measure_retakes",
    "retake",
    "robust_scale",
    "same_day_pairs",
]

_KNOTS = 5
_AT_ONCE = 3
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
class FilmPair:
    """Two films of one patient on one day.

    Attributes
    ----------
    patient : str
        Identifier.
    first, second : float
        Scores.
    same_projection : bool
        Whether both are known to be AP, or both PA.
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


def same_day_pairs(series: Sequence[PatientSeries], scale: str) -> list[FilmPair]:
    """Return all pairs of films of one patient on one day."""
    pairs = []
    for patient in series:
        for first, second in combinations(patient.films, 2):
            if first.day == second.day and scale in first.values and scale in second.values:
                views = {projection(first.view), projection(second.view)}
                pairs.append(
                    FilmPair(
                        f"{patient.source} {patient.patient}",
                        first.values[scale],
                        second.values[scale],
                        len(views) == 1 and None not in views,
                    )
                )
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
    factor = 1.0
    if pairs:
        estimate, sd = _pair_factor(ScaleError(tuple(knots), tuple(course)), pairs)
        factor = max(1.0, estimate.value)
        evidence |= {"pair_sd": sd, "factor": estimate.value}
        if np.isfinite(estimate.low):
            evidence |= {"factor_low": estimate.low, "factor_high": estimate.high}
    rounded = {name: round(value, 4) for name, value in evidence.items()}
    return ScaleError(
        tuple(float(knot) for knot in knots), tuple(float(sd) for sd in course * factor), rounded
    )


def _pair_factor(errors: ScaleError, pairs: Sequence[FilmPair]) -> tuple[Estimate, float]:
    """Return how much larger near-simultaneous differences are, and their error of one film."""
    differences = np.array([pair.second - pair.first for pair in pairs])
    middle = [(pair.first + pair.second) / 2.0 for pair in pairs]
    sds = np.array([errors.sd(value) for value in middle])
    relative = differences / (np.sqrt(2.0) * sds)

    def scale(draw: Draw) -> dict[str, float]:
        return {"factor": robust_scale(relative[draw.index])}

    estimate = PatientBootstrap(tuple(pair.patient for pair in pairs)).estimate(scale)["factor"]
    return estimate, robust_scale(differences / np.sqrt(2.0))


def robust_scale(values: NDArray[np.float64]) -> float:
    """Return the standard deviation around 0 by Huber's proposal 2 (k = 1.5).

    Between two films of one day the patient now and then does change, after an intubation
    for example; a root mean square would take that for error. Source: Huber 1964 (Ann Math
    Stat 35: 73-101), with the location known to be 0; consistent for normal errors.
    """
    bound = 1.5
    normal = NormalDist()
    inside = 2.0 * normal.cdf(bound) - 1.0
    expected = inside - 2.0 * bound * normal.pdf(bound) + bound**2 * (1.0 - inside)
    scale = float(np.sqrt(np.mean(values**2)))
    for _ in range(200):
        if scale <= 0.0:
            return 0.0
        shrunk = np.minimum(np.abs(values) / scale, bound)
        scale *= float(np.sqrt(np.mean(shrunk**2) / expected))
    return scale


def fit_error_model(
    model: SeverityModel,
    data: Path,
    *,
    films: int = 150,
    retakes: int = 8,
    progress: Callable[[int], None] | None = None,
) -> ErrorModel:
    """Measure a model's test-retest error on the public films.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    data : Path
        Folder of the public films.
    films : int, optional
        Films to perturb, one of each patient first.
    retakes : int, optional
        Perturbed copies of each.
    progress : callable, optional
        Called with the number of films done.

    Raises
    ------
    PneumoScoreError
        If there are too few films.
    """
    paths = _spread_paths(data, films)
    if len(paths) < 20 or retakes < 2:
        raise PneumoScoreError(
            f"{len(paths)} films and {retakes} retakes of each", "at least 20 films and 2 retakes"
        )
    measured = measure_retakes(model, paths, retakes=retakes, progress=progress)
    scores = score_cohorts(
        model, data, None if progress is None else lambda done: progress(len(paths) + done)
    )
    series = [
        *hannover_series(data, scores["hannover"]),
        *collection_series(data, scores["collection"]),
    ]
    scales = {}
    for scale, found in measured.items():
        everything = same_day_pairs(series, scale)
        comparable = [pair for pair in everything if pair.same_projection]
        fitted = fit_scale(found, comparable)
        others = [pair for pair in everything if not pair.same_projection]
        extra = {"pairs_of_other_projections": float(len(others))}
        if others:
            halves = np.array([pair.second - pair.first for pair in others]) / np.sqrt(2.0)
            extra["pair_sd_of_other_projections"] = round(robust_scale(halves), 4)
        scales[scale] = ScaleError(fitted.scores, fitted.sds, {**fitted.evidence, **extra})
    identity = model.identity
    return ErrorModel(
        identity.name,
        identity.version,
        identity.sha256,
        scales,
        f"{retakes} perturbed copies of each of {len(paths)} public films (three of "
        f"{len(RETAKES)} perturbations at once), and pairs of films of one patient, one "
        "day and one projection",
    )


def _spread_paths(data: Path, films: int) -> list[Path]:
    """Return films, first one of each patient, then their second ones, and so on."""
    rounds: dict[int, list[Path]] = {}
    seen: dict[str, int] = {}
    for cohort in (load_cohen94(data), load_scored(data), load_hannover(data)):
        for film in cohort:
            key = f"{cohort.name} {film.patient}"
            seen[key] = seen.get(key, 0) + 1
            rounds.setdefault(seen[key], []).append(film.path)
    return [path for number in sorted(rounds) for path in rounds[number]][:films]
