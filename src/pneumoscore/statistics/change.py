"""How large a change between two films must be to differ from noise.

Source: de Vet et al. 2006, When to use agreement versus reliability measures (J Clin
Epidemiol 59: 1033-1039).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pneumoscore.statistics.icc import two_way_anova

__all__ = ["sem_agreement", "sem_consistency", "smallest_detectable_change"]


def sem_consistency(values: NDArray[np.float64]) -> float:
    """Return the standard error of measurement without the readers' bias.

    Parameters
    ----------
    values : ndarray of float, shape (films, readers)
        Scores; films with a NaN are left out.

    Returns
    -------
    float
        Root of the residual mean square, in points of the scale: for films of one patient
        that the same reader scores.
    """
    return math.sqrt(two_way_anova(values).error)


def sem_agreement(values: NDArray[np.float64]) -> float:
    """Return the standard error of measurement with the readers' bias.

    As `sem_consistency`, plus the variance between readers: for films that different
    readers score.
    """
    anova = two_way_anova(values)
    readers = max((anova.columns - anova.error) / anova.films, 0.0)
    return math.sqrt(readers + anova.error)


def smallest_detectable_change(sem: float) -> float:
    """Return the change between two films that 95 % of pure noise stays under.

    It says what can be told from noise, not what matters to a patient.

    Examples
    --------
    >>> round(smallest_detectable_change(0.58), 2)
    1.61
    """
    return 1.96 * math.sqrt(2) * sem
