"""How many films and readers a study needs, by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumoscore.present.table import Table, format_number
from pneumoscore.statistics.icc import intraclass_correlations

__all__ = ["Assumptions", "PlannedPrecision", "plan_precision", "precision_table"]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is assumed of the films, the readers and the model, in points of the scale.

    Attributes
    ----------
    films_sd : float
        Of the films' true scores. Of extent on the paper's 94 films it is 2.4.
    readers_sd : float
        Of the readers' own levels (one reads higher than another).
    error_sd : float
        Of one reader's single score around film and level.
    model_sd : float
        Of the model's error against the readers' mean.
    """

    films_sd: float = 2.4
    readers_sd: float = 0.3
    error_sd: float = 0.55
    model_sd: float = 1.1


@dataclass(frozen=True, slots=True)
class PlannedPrecision:
    """What a study of one size would tell.

    Attributes
    ----------
    films, readers : int
        Its size.
    icc : float
        Median of ICC(A,1).
    icc_width : float
        Median width of its 95 % interval (McGraw and Wong 1996).
    limits_width : float
        Median half-width of the 95 % interval of a limit of agreement between the model and the
        readers' mean (Bland and Altman 1999), in points.
    """

    films: int
    readers: int
    icc: float
    icc_width: float
    limits_width: float


def plan_precision(
    films: Sequence[int],
    readers: Sequence[int],
    assumptions: Assumptions,
    *,
    repeats: int = 300,
    seed: int = 1,
) -> tuple[PlannedPrecision, ...]:
    """Simulate studies of each size.

    Parameters
    ----------
    films, readers : sequence of int
        Sizes, each at least 2.
    assumptions : Assumptions
        Two-way random effects: score = film + reader + error.
    repeats : int, optional
        Studies simulated for each size.
    seed : int, optional
        Of the random numbers.

    Returns
    -------
    tuple of PlannedPrecision
        One for each size, readers varying fastest.
    """
    chance = np.random.default_rng(seed)
    return tuple(
        _one_size(count, raters, assumptions, repeats, chance)
        for count in films
        for raters in readers
    )


def _one_size(
    films: int,
    readers: int,
    assumptions: Assumptions,
    repeats: int,
    chance: np.random.Generator,
) -> PlannedPrecision:
    values, widths, limits = [], [], []
    for _ in range(repeats):
        truth = chance.normal(0.0, assumptions.films_sd, (films, 1))
        level = chance.normal(0.0, assumptions.readers_sd, (1, readers))
        error = chance.normal(0.0, assumptions.error_sd, (films, readers))
        scores = truth + level + error
        icc = intraclass_correlations(scores)["ICC(A,1)"]
        values.append(icc.value)
        widths.append(icc.high - icc.low)
        model = chance.normal(0.0, assumptions.model_sd, films)
        spread = float(np.std(model, ddof=1))
        # Bland and Altman 1999, section 3: the standard error of a limit is about 1.71 s/sqrt(n).
        limits.append(1.96 * 1.71 * spread / np.sqrt(films))
    return PlannedPrecision(
        films,
        readers,
        float(np.median(values)),
        float(np.median(widths)),
        float(np.median(limits)),
    )


def precision_table(planned: Sequence[PlannedPrecision], assumptions: Assumptions) -> Table:
    """Return the sizes as a table."""
    return Table(
        "What a reader study of each size would tell",
        ("films", "readers", "ICC(A,1)", "width of its 95 % interval", "limit of agreement ±"),
        tuple(
            (
                str(item.films),
                str(item.readers),
                format_number(item.icc),
                format_number(item.icc_width),
                format_number(item.limits_width),
            )
            for item in planned
        ),
        f"Simulated: SD of films {assumptions.films_sd:g}, of readers' levels "
        f"{assumptions.readers_sd:g}, of one score {assumptions.error_sd:g}, of the model's error "
        f"{assumptions.model_sd:g} points. ± is the half-width of the 95 % interval of a limit of "
        "agreement between model and readers' mean.",
    )
