"""How scores move before ICU admission, and with blood values within patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pneumoscore.present.table import Table, format_estimate, format_number
from pneumoscore.severity.scale import scale_named
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from training.validation.series import LABORATORY, PatientSeries

__all__ = [
    "WithinPairs",
    "correlation_table",
    "movement_table",
    "ranks",
    "repeated_measures_correlation",
    "within_pairs",
]


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mid-ranks.

    Examples
    --------
    >>> ranks(np.array([3.0, 1.0, 3.0]))
    array([1.5, 0. , 1.5])
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = ends - (counts + 1) / 2.0
    return np.asarray(middle[inverse], dtype=np.float64)


def repeated_measures_correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], clusters: NDArray[np.intp]
) -> float:
    """Return the common correlation within patients.

    Bakdash and Marusich 2017 (Front Psychol 8: 456): analysis of covariance with a level for
    each patient and one slope, which is the correlation of what is left after each patient's
    mean is taken off.

    Parameters
    ----------
    first, second : ndarray of float, shape (n,)
        Two measurements.
    clusters : ndarray of int, shape (n,)
        Number of the patient.

    Returns
    -------
    float
        NaN if nothing varies within patients.
    """
    left = [_centred(values, clusters) for values in (first, second)]
    size = float(np.sqrt((left[0] ** 2).sum() * (left[1] ** 2).sum()))
    return float((left[0] * left[1]).sum() / size) if size > 1e-12 else float("nan")


def _centred(values: NDArray[np.float64], clusters: NDArray[np.intp]) -> NDArray[np.float64]:
    counts = np.bincount(clusters)
    means = np.bincount(clusters, values) / np.maximum(counts, 1)
    return np.asarray(values - means[clusters], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class WithinPairs:
    """A score and a blood value of the same films.

    Attributes
    ----------
    patients : tuple of str
        Of each film; every patient has two films or more.
    scores, laboratory : ndarray of float, shape (n,)
        Values.
    changes : ndarray of float, shape (m, 2)
        Changes of both from film to film.
    change_patients : tuple of str
        Of each change.
    """

    patients: tuple[str, ...]
    scores: NDArray[np.float64]
    laboratory: NDArray[np.float64]
    changes: NDArray[np.float64]
    change_patients: tuple[str, ...]


def within_pairs(series: Sequence[PatientSeries], scale: str, name: str) -> WithinPairs:
    """Collect the films with a score and a blood value, of patients with at least two."""
    patients: list[str] = []
    rows: list[tuple[float, float]] = []
    changes: list[tuple[float, float]] = []
    change_patients: list[str] = []
    for item in series:
        films = [film for film in item.films if name in film.laboratory and scale in film.values]
        if len(films) < 2:
            continue
        patients += [item.patient] * len(films)
        rows += [(film.values[scale], film.laboratory[name]) for film in films]
        for old, new in pairwise(films):
            changes.append(
                (
                    new.values[scale] - old.values[scale],
                    new.laboratory[name] - old.laboratory[name],
                )
            )
            change_patients.append(item.patient)
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return WithinPairs(
        tuple(patients),
        table[:, 0],
        table[:, 1],
        np.array(changes, dtype=np.float64).reshape(-1, 2),
        tuple(change_patients),
    )


def _within(pairs: WithinPairs, repeats: int) -> Estimate:
    first, second = ranks(pairs.scores), ranks(pairs.laboratory)

    def correlation(draw: Draw) -> dict[str, float]:
        at = draw.index
        return {"r": repeated_measures_correlation(first[at], second[at], draw.clusters)}

    return PatientBootstrap(pairs.patients, repeats).estimate(correlation)["r"]


def _of_changes(pairs: WithinPairs, repeats: int) -> Estimate:
    first, second = pairs.changes.T

    def correlation(draw: Draw) -> dict[str, float]:
        one, two = ranks(first[draw.index]), ranks(second[draw.index])
        if np.ptp(one) == 0.0 or np.ptp(two) == 0.0:
            return {"r": float("nan")}
        return {"r": float(np.corrcoef(one, two)[0, 1])}

    return PatientBootstrap(pairs.change_patients, repeats).estimate(correlation)["r"]


def correlation_table(
    series: Sequence[PatientSeries], scales: Sequence[str], repeats: int = 1000
) -> Table:
    """Return the correlations of scores with blood values within patients."""
    rows = []
    for name in LABORATORY:
        for scale in scales:
            pairs = within_pairs(series, scale, name)
            if len(set(pairs.patients)) < 3:
                continue
            rows.append(
                (
                    {"po2": "pO2", "crp": "CRP", "ldh": "LDH"}.get(name, name),
                    scale_named(scale).title,
                    format_estimate(_within(pairs, repeats)),
                    format_estimate(_of_changes(pairs, repeats)),
                    str(len(pairs.scores)),
                    str(len(set(pairs.patients))),
                )
            )
    return Table(
        "Scores and blood values within patients",
        ("value", "score", "within patients", "of changes", "films", "patients"),
        tuple(rows),
        "Hannover stays, values within a day of the film. Within patients: repeated-measures "
        "correlation of ranks. Of changes: rank correlation of the changes from film to film. "
        "95 % intervals by bootstrap over patients; a few patients with many films weigh most. "
        "More pneumonia should go with less pO2 (which oxygen therapy raises) and more CRP.",
    )


def _movement(values: NDArray[np.float64], draw: Draw) -> dict[str, float]:
    changes, rates = values[:, draw.index]
    return {
        "change": float(changes.mean()),
        "rate": float(rates.mean()),
        "up": float((changes > 0.0).mean()),
    }


def movement_table(
    series: Sequence[PatientSeries], scales: Sequence[str], repeats: int = 1000
) -> Table:
    """Return how scores move from the last film before ICU admission to the first in it."""
    rows = []
    for scale in scales:
        changes, rates, keys = [], [], []
        before_films = before_patients = 0
        for item in series:
            day = item.events.get("icu_admission")
            films = [film for film in item.films if scale in film.values]
            old = [film for film in films if day is not None and film.day < day]
            new = [film for film in films if day is not None and film.day >= day]
            before_films += len(old)
            before_patients += bool(old)
            if not old or not new:
                continue
            change = new[0].values[scale] - old[-1].values[scale]
            changes.append(change)
            rates.append(change / max(new[0].day - old[-1].day, 1.0))
            keys.append(f"{item.source} {item.patient}")
        values = np.array([changes, rates]).reshape(2, -1)
        cells = ["-", "-", "-"]
        if keys:
            bootstrap = PatientBootstrap(tuple(keys), repeats)
            estimates = bootstrap.estimate(partial(_movement, values))
            cells = [format_estimate(estimates[name]) for name in ("change", "rate", "up")]
        rows.append(
            (
                scale_named(scale).title,
                str(before_films),
                str(before_patients),
                *cells,
                format_number(float(len(keys)), 0),
            )
        )
    return Table(
        "Before ICU admission",
        (
            "score",
            "films before",
            "patients",
            "change to the first film in ICU",
            "points a day",
            "share that rises",
            "patients with both",
        ),
        tuple(rows),
        "Hannover stays by their day of ICU admission, and the collection's patients by the "
        "first film in intensive care after one outside it. 95 % intervals by bootstrap over "
        "patients. Too few for more than a direction.",
    )
