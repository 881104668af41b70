"""Scores beside outcomes: how well a score tells films of patients with an outcome.

An association in a convenience sample: severity, referral, time of the film, treatment and
the choice of what was published all differ between patients with and without an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.types import Cohort
from pneumoscore.present.table import Table, format_estimate
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.discrimination import auroc

__all__ = ["CONFOUNDERS", "OutcomeRow", "outcome_rows", "outcome_table"]

CONFOUNDERS = (
    "Associations, not effects: not adjusted for age, sex, comorbidity, time since onset, "
    "treatment, view (portable films are taken of sicker patients) or for the choice of which "
    "cases were published; outcomes are missing for many patients and not at random."
)


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """Discrimination of one outcome by one score.

    Attributes
    ----------
    outcome, scale : str
        Which.
    films, patients, events : int
        Films and patients with the outcome known, patients that had it.
    by_film : Estimate
        AUROC over films, interval by patient bootstrap.
    by_patient : Estimate
        AUROC over the earliest film of each patient.
    """

    outcome: str
    scale: str
    films: int
    patients: int
    events: int
    by_film: Estimate
    by_patient: Estimate


def _auroc_of(
    positive: NDArray[np.bool_], score: NDArray[np.float64], patients: Sequence[str], repeats: int
) -> Estimate:
    def statistics(draw: Draw) -> dict[str, float]:
        return {"auroc": auroc(positive[draw.index], score[draw.index])}

    return PatientBootstrap(patients, repeats).estimate(statistics)["auroc"]


def _earliest(cohort: Cohort, index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Index of each patient's film of the lowest offset; unknown offsets come last."""
    best: dict[str, tuple[float, int]] = {}
    for position in index:
        film = cohort.films[position]
        offset = np.inf if film.offset_days is None else film.offset_days
        if film.patient not in best or (offset, position) < best[film.patient]:
            best[film.patient] = (offset, int(position))
    return np.array(sorted(position for _, position in best.values()), dtype=np.intp)


def outcome_rows(
    cohort: Cohort, scores: NDArray[np.float64], scale: str, repeats: int = 1000
) -> tuple[OutcomeRow, ...]:
    """Return the discrimination of every outcome the cohort knows.

    Parameters
    ----------
    cohort : Cohort
        Films with outcomes.
    scores : ndarray of float, shape (films,)
        On one scale; NaN where a film has none.
    scale : str
        Its name.
    repeats : int, optional
        Draws of the bootstrap over patients.

    Returns
    -------
    tuple of OutcomeRow
        For outcomes with at least five patients on each side.
    """
    rows = []
    for outcome in sorted({name for film in cohort for name in film.outcomes}):
        known = cohort.outcomes(outcome)
        index = np.flatnonzero(np.isfinite(known) & np.isfinite(scores))
        if len(index) == 0:
            continue
        patients = [cohort.films[position].patient for position in index]
        first = _earliest(cohort, index)
        events = len({p for p, position in zip(patients, index, strict=True) if known[position]})
        if min(events, len(set(patients)) - events) < 5:
            continue
        rows.append(
            OutcomeRow(
                outcome,
                scale,
                len(index),
                len(set(patients)),
                events,
                _auroc_of(known[index] == 1, scores[index], patients, repeats),
                _auroc_of(
                    known[first] == 1,
                    scores[first],
                    [cohort.films[position].patient for position in first],
                    repeats,
                ),
            )
        )
    return tuple(rows)


def outcome_table(rows: Sequence[OutcomeRow]) -> Table:
    """Return the rows as a table."""
    return Table(
        "Scores beside outcomes (AUROC)",
        ("outcome", "scale", "films", "patients", "with outcome", "by film", "earliest film"),
        tuple(
            (
                row.outcome,
                row.scale,
                str(row.films),
                str(row.patients),
                str(row.events),
                format_estimate(row.by_film),
                format_estimate(row.by_patient),
            )
            for row in rows
        ),
        f"95 % intervals by bootstrap over patients. {CONFOUNDERS}",
    )
