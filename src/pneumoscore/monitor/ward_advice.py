"""The rules applied to the series of all patients at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from pneumoscore.monitor.change.advice import Advice, advice_at
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.watch import watch
from pneumoscore.records.everyone import ScoreSeries

__all__ = ["advise_series"]

_DAY = timedelta(days=1)


def advise_series(
    series: Sequence[ScoreSeries], scale: str, rules: RuleSet, errors: ErrorModel
) -> dict[int, Advice]:
    """Return the advice on each series at its last film, by patient's id.

    Those of similar length are judged together.

    Parameters
    ----------
    series : sequence of ScoreSeries
        On one scale, with a film at least.
    scale : str
        Which.
    rules : RuleSet
        When a change is called.
    errors : ErrorModel
        With the error on the scale.

    Raises
    ------
    ModelError
        If the error on the scale was not measured.
    """
    advices: dict[int, Advice] = {}
    error, smallest = errors.scale(scale), rules.smallest_change.get(scale, 0.0)
    by_width: dict[int, list[int]] = {}
    for place, item in enumerate(series):
        by_width.setdefault(max(2, (len(item.points) - 1).bit_length()), []).append(place)
    for places in by_width.values():
        longest = max(len(series[place].points) for place in places)
        days, values = (np.zeros((len(places), longest)) for _ in range(2))
        counts = np.array([len(series[place].points) for place in places], dtype=np.int64)
        for row, place in enumerate(places):
            points = series[place].points
            days[row, : len(points)] = [(point.clock - points[0].clock) / _DAY for point in points]
            values[row, : len(points)] = [point.value for point in points]
        said = watch(days, values, counts, error, rules, smallest)
        for row, place in enumerate(places):
            advices[series[place].id] = advice_at(said, int(counts[row]), rules, row)
    return advices
