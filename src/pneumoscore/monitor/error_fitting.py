"""Measuring a model's test-retest error: by perturbation and by near-simultaneous films.

Perturbation gives the error's course over the scale, near-simultaneous films its size: two
films of one patient on one day also differ by position, inspiration and what happened in
between, which no perturbation of the pixels contains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pneumoscore.errors import PneumoScoreError
from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.error_films import (
    FilmPair,
    MeasuredFilm,
    Retakes,
    measure_retakes,
    near_pairs,
    one_of_each_first,
    score_films,
    with_neighbour,
)
from pneumoscore.monitor.film_changes import RETAKES
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.robust import robust_scale

__all__ = ["fit_error_model", "fit_scale"]

_KNOTS = 5
_FEWEST = 20
# Fewer patients tell neither the size of the error nor how well it is known: resamples of a
# handful are often all alike.
_FEWEST_PATIENTS = 10
# Kernel half width over the range of the scale, and the least error over it.
_BANDWIDTH = 1.0 / 6.0
_LEAST = 0.01


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
        Near-simultaneous films, comparable by projection.

    Raises
    ------
    PneumoScoreError
        If the pairs are of fewer than ten patients.
    """
    _check_patients(retakes.scale, pairs)
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
    estimate, sd = _pair_factor(ScaleError(tuple(knots), tuple(course)), pairs)
    factor = max(1.0, estimate.value)
    low, high = (max(1.0, end) / factor for end in (estimate.low, estimate.high))
    evidence |= {
        "pair_sd": sd,
        "factor": estimate.value,
        "factor_low": estimate.low,
        "factor_high": estimate.high,
    }
    rounded = {name: round(value, 4) for name, value in evidence.items()}
    return ScaleError(
        tuple(float(knot) for knot in knots),
        tuple(float(sd) for sd in course * factor),
        min(1.0, low),
        max(1.0, high),
        rounded,
    )


def _check_patients(scale: str, pairs: Sequence[FilmPair], apart_days: float | None = None) -> None:
    """Refuse pairs of too few patients to tell the size of the error.

    Raises
    ------
    PneumoScoreError
        If there are fewer than ten.
    """
    patients = len({pair.patient for pair in pairs})
    if patients < _FEWEST_PATIENTS:
        close = "close in time"
        if apart_days is not None:
            close = "of one day" if apart_days == 0 else f"at most {apart_days:g} days apart"
        raise PneumoScoreError(
            f"{patients} patient(s) with two comparable films {close}, scored for {scale}",
            f"at least {_FEWEST_PATIENTS}: their differences give the size of the error",
            f"give films of more patients who have two films {close}",
        )


def _pair_factor(errors: ScaleError, pairs: Sequence[FilmPair]) -> tuple[Estimate, float]:
    """Return how much larger near-simultaneous differences are, and their error of one film.

    Between two films of one day the patient now and then does change, after an intubation for
    example: hence a robust scale.
    """
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


def _comparable(pairs: Sequence[FilmPair]) -> list[FilmPair]:
    return [pair for pair in pairs if pair.same_projection]


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
        If there are too few films, or pairs of fewer than ten patients on a shown scale; known
        before any film is perturbed.
    """
    taught = model.seen.among(film.path for film in films)
    films = [film for film in films if film.path not in taught]
    chosen = one_of_each_first(films)[:perturbed]
    if len(chosen) < _FEWEST or retakes < 2:
        raise PneumoScoreError(
            f"{len(chosen)} films and {retakes} retakes of each",
            f"at least {_FEWEST} films that did not teach the model, and 2 retakes",
        )
    paired = with_neighbour(films, apart_days)
    scores = score_films(model, paired, progress)
    pairs = {
        scale: [
            *near_pairs(paired, scores, scale, apart_days),
            *(more_pairs or {}).get(scale, ()),
        ]
        for scale in model.shown
    }
    for scale, everything in pairs.items():
        _check_patients(scale, _comparable(everything), apart_days)
    measured = measure_retakes(
        model, [film.path for film in chosen], retakes=retakes, done=len(paired), progress=progress
    )
    scales = {}
    for scale, found in measured.items():
        comparable = _comparable(pairs[scale])
        fitted = fit_scale(found, comparable)
        extra = {
            "pairs_of_other_projections": float(len(pairs[scale]) - len(comparable)),
            "apart_days": float(apart_days),
        }
        scales[scale] = replace(fitted, evidence={**fitted.evidence, **extra})
    identity = model.identity
    crossed = ", some scored by networks of a cross-validation" if more_pairs else ""
    gap = "one day" if apart_days == 0 else f"{apart_days:g} days apart at most"
    return ErrorModel(
        identity.name,
        identity.version,
        identity.sha256,
        scales,
        f"{retakes} perturbed copies of each of {len(chosen)} {of_what} (three of "
        f"{len(RETAKES)} perturbations at once), and pairs of films of one patient "
        f"({gap}, not of differing projection{crossed}), every patient counted alike",
    )
