"""Agreement of readers, and of a model as one more reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.present.table import Table, format_estimate, format_number
from pneumoscore.statistics.bland_altman import LimitsOfAgreement, bland_altman
from pneumoscore.statistics.bootstrap import Draw, Estimate, PatientBootstrap
from pneumoscore.statistics.change import (
    sem_agreement,
    sem_consistency,
    smallest_detectable_change,
)
from pneumoscore.statistics.icc import (
    icc_values,
    intraclass_correlations,
    two_way_anova,
)
from pneumoscore.statistics.interchangeability import interchangeability
from pneumoscore.statistics.kappa import weighted_kappa
from pneumoscore.statistics.krippendorff import krippendorff_alpha

__all__ = ["Agreement", "agreement_table", "interchange_table", "measure_agreement", "pair_table"]


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Agreement of the readers of one item.

    Attributes
    ----------
    item : str
        A scale or a zone.
    readers : tuple of str
        In column order.
    films, complete : int
        Films with any score, and with a score of every reader.
    figures : dict of str to Estimate
        ICC(A,1), ICC(A,k), ICC(C,1), Krippendorff's alpha (interval, ordinal), SEM and SDC95;
        intervals by bootstrap over patients. NaN where too few films have a score of every reader.
    analytic : dict of str to Estimate
        The same ICCs with the intervals of McGraw and Wong, films taken as independent; empty
        where too few films have a score of every reader.
    kappas : dict of tuple of str to Estimate
        Quadratic-weighted kappa of each pair whose scores are integers.
    pairs : dict of tuple of str to LimitsOfAgreement
        Bland and Altman's limits, first reader minus second, of pairs with films of two patients
        in common.
    interchange : dict of str to Estimate
        The model against the readers; empty without a model.
    left_out : tuple of str
        What could not be computed, and why.
    """

    item: str
    readers: tuple[str, ...]
    films: int
    complete: int
    figures: dict[str, Estimate]
    analytic: dict[str, Estimate]
    kappas: dict[tuple[str, str], Estimate]
    pairs: dict[tuple[str, str], LimitsOfAgreement]
    interchange: dict[str, Estimate]
    left_out: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return every number, for JSON."""
        return {
            "item": self.item,
            "readers": self.readers,
            "films": self.films,
            "complete_films": self.complete,
            "figures": self.figures,
            "icc_analytic": self.analytic,
            "weighted_kappa": {" / ".join(pair): value for pair, value in self.kappas.items()},
            "bland_altman": {
                " / ".join(pair): {
                    "bias": item.bias,
                    "low": item.low,
                    "high": item.high,
                    "slope": item.slope,
                    "films": item.films,
                }
                for pair, item in self.pairs.items()
            },
            "interchangeability": self.interchange,
            "left_out": self.left_out,
        }


def _figures(values: NDArray[np.float64]) -> dict[str, float]:
    figures = dict.fromkeys(
        ("ICC(A,1)", "ICC(A,k)", "ICC(C,1)", "SEM", "SEM (same reader)", "SDC95"), float("nan")
    )
    complete = values[np.isfinite(values).all(axis=1)]
    if min(complete.shape) >= 2:
        forms = icc_values(two_way_anova(complete))
        figures |= {name: forms[name] for name in ("ICC(A,1)", "ICC(A,k)", "ICC(C,1)")}
        sem = sem_agreement(complete)
        figures["SEM"] = sem
        figures["SEM (same reader)"] = sem_consistency(complete)
        figures["SDC95"] = smallest_detectable_change(sem)
    figures["alpha (interval)"] = krippendorff_alpha(values, "interval")
    figures["alpha (ordinal)"] = krippendorff_alpha(values, "ordinal")
    return figures


def _integers(column: NDArray[np.float64]) -> bool:
    finite = column[np.isfinite(column)]
    return bool(len(finite)) and bool((finite % 1 == 0).all())


def _kappa_of(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> Callable[[Draw], dict[str, float]]:
    def statistics(draw: Draw) -> dict[str, float]:
        return {"kappa": weighted_kappa(first[draw.index], second[draw.index])}

    return statistics


def measure_agreement(
    table: RatingTable,
    patients: Mapping[str, str],
    model: str | None = None,
    tolerance: float = 1.0,
    repeats: int = 1000,
) -> Agreement:
    """Measure the agreement of the readers of one item.

    Parameters
    ----------
    table : RatingTable
        Any readers, any films: what too few films or readers leave open is named in `left_out`.
    patients : mapping of str to str
        Patient by film, for the bootstrap; a film without one counts as its own patient.
    model : str, optional
        Which of the readers is the model: it is compared with the others by pairs and for
        interchangeability, and kept out of the readers' own agreement.
    tolerance : float, optional
        Difference up to which two scores agree, for interchangeability.
    repeats : int, optional
        Draws of the bootstrap.
    """
    people = [index for index, name in enumerate(table.readers) if name != model]
    values = table.values[:, people]
    complete = int(np.isfinite(values).all(axis=1).sum())
    left_out = []
    analytic = {}
    if min(complete, len(people)) >= 2:
        analytic = intraclass_correlations(values)
    else:
        left_out.append(
            f"ICC, SEM and SDC95 on {table.item}: {len(people)} reader(s), {complete} film(s) "
            "scored by all of them, two of each are needed"
        )
    groups = [patients.get(film, f"film {film}") for film in table.films]
    bootstrap = PatientBootstrap(groups, repeats)
    kappas, pairs = {}, {}
    for i, j in combinations(range(len(table.readers)), 2):
        pair = (table.readers[i], table.readers[j])
        first, second = table.values[:, i], table.values[:, j]
        shared = np.unique(np.array(groups)[np.isfinite(first) & np.isfinite(second)])
        if len(shared) < 2:
            left_out.append(
                f"{pair[0]} and {pair[1]} on {table.item}: films of {len(shared)} patient(s) in "
                "common, two are needed"
            )
            continue
        pairs[pair] = bland_altman(first, second, groups)
        if _integers(first) and _integers(second):
            kappas[pair] = bootstrap.estimate(_kappa_of(first, second))["kappa"]
    interchange = {}
    if model is not None and any(model not in pair for pair in pairs):
        scores = table.values[:, table.readers.index(model)]
        interchange = interchangeability(values, scores, groups, tolerance, repeats)
    elif model is not None:
        left_out.append(f"interchangeability on {table.item}: no two readers to be compared with")
    return Agreement(
        table.item,
        tuple(table.readers[index] for index in people),
        int(np.isfinite(values).any(axis=1).sum()),
        complete,
        bootstrap.estimate(lambda draw: _figures(values[draw.index])),
        analytic,
        kappas,
        pairs,
        interchange,
        tuple(left_out),
    )


def agreement_table(agreements: Sequence[Agreement], title: str) -> Table:
    """Return the readers' agreement, one row for each item."""
    names = ("ICC(A,1)", "ICC(A,k)", "ICC(C,1)", "alpha (interval)", "alpha (ordinal)", "SDC95")
    left_out = [words for item in agreements for words in item.left_out]
    missing = f" Left out: {'; '.join(left_out)}." if left_out else ""
    rows = []
    for item in agreements:
        kappa = next(
            (value for pair, value in item.kappas.items() if set(pair) <= set(item.readers)), None
        )
        rows.append(
            (
                item.item,
                str(item.complete),
                *(format_estimate(item.figures[name]) for name in names),
                format_estimate(kappa) if len(item.readers) == 2 else "-",
            )
        )
    return Table(
        title,
        ("item", "films", *names, "weighted kappa"),
        tuple(rows),
        "95 % intervals by bootstrap over patients. SDC95: smallest change between two films "
        "that exceeds the noise of different readers; it is not the smallest important change. "
        f"ICC and SDC95 are of the films that every reader scored.{missing}",
    )


def pair_table(agreements: Sequence[Agreement]) -> Table:
    """Return Bland and Altman's limits of every pair of readers."""
    return Table(
        "Pairs of readers: bias and limits of agreement (first minus second)",
        ("item", "first", "second", "films", "bias", "low", "high", "proportional"),
        tuple(
            (
                item.item,
                *pair,
                str(limits.films),
                *(
                    format_number(value)
                    for value in (limits.bias, limits.low, limits.high, limits.slope)
                ),
            )
            for item in agreements
            for pair, limits in item.pairs.items()
        ),
        "Several films of a patient: Bland and Altman 2007.",
    )


def interchange_table(agreements: Sequence[Agreement]) -> Table:
    """Return what replacing a reader by the model changes."""
    names = (
        "equivalence_index",
        "rms_difference_readers",
        "rms_difference_model",
        "within_tolerance_change",
        "icc_readers",
        "icc_with_model",
        "icc_change",
    )
    return Table(
        "A model in place of a reader",
        ("item", *(name.replace("_", " ") for name in names)),
        tuple(
            (item.item, *(format_estimate(item.interchange[name], 3) for name in names))
            for item in agreements
            if item.interchange
        ),
        "Equivalence index: mean squared difference of model and reader minus that of readers "
        "(Obuchowski et al. 2014); an interval below a margin chosen beforehand speaks for "
        "interchangeability.",
    )
