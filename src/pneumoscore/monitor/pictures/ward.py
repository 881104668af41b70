"""The ward: one line for each patient, sorted by recent change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pneumoscore.monitor.change.assess import Advice, advise
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.steps import find_steps
from pneumoscore.monitor.records.database import Records
from pneumoscore.monitor.records.errors import RecordsError
from pneumoscore.monitor.records.reading import read_models
from pneumoscore.monitor.records.ward import LatestPair, read_latest_pairs, read_series

__all__ = ["Ward", "WardRow", "ward_overview"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WardRow:
    """One patient of the ward.

    Attributes
    ----------
    patient : str
        Identifier.
    calendar : bool
        Whether times are dates.
    last_at : datetime
        Last film.
    days, values : tuple of float
        The series, days since its first film.
    difference : float or None
        Last film minus the one before; None with one film.
    size : float or None
        Difference over the smallest detectable change; None where it was not measured.
    advice : Advice or None
        Of the series; None where the error was not measured.
    warnings : tuple of str
        Why the last two films may not be comparable.
    """

    patient: str
    calendar: bool
    last_at: datetime
    days: tuple[float, ...]
    values: tuple[float, ...]
    difference: float | None
    size: float | None
    advice: Advice | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ward:
    """The patients with the largest recent change.

    Attributes
    ----------
    scale, model : str
        Whose scores.
    rows : tuple of WardRow
        Sorted by recent change, the largest rise first.
    remark : str
        How many patients there are, and what is left out.
    """

    scale: str
    model: str
    rows: tuple[WardRow, ...]
    remark: str


def ward_overview(
    records: Records,
    scale: str,
    rules: RuleSet,
    errors: ErrorModel | None,
    *,
    model_id: int | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> Ward:
    """Return the ward.

    Parameters
    ----------
    records : Records
        Open.
    scale : str
        Which score.
    rules : RuleSet
        For the advice.
    errors : ErrorModel or None
        Of the model; None sorts by points and advises nothing.
    model_id : int, optional
        Whose scores; by default the newest model's.
    since : datetime, optional
        Only patients with a film at or after this time.
    limit : int, optional
        Most lines.

    Raises
    ------
    RecordsError
        If no scores are recorded.
    """
    models = read_models(records)
    chosen = [item for item in models if model_id is None or item.id == model_id]
    if not chosen:
        raise RecordsError("no scores are recorded", "imported films")
    model = chosen[-1]
    with records.reading() as connection:
        pairs = read_latest_pairs(connection, model.id, scale, since)
        sized = sorted(
            ((_size(pair, scale, errors), pair) for pair in pairs),
            key=lambda item: (-(item[0] if item[0] is not None else 0.0), item[1].patient),
        )[:limit]
        ids = [pair.patient_id for _, pair in sized]
        series = read_series(connection, ids, model.id, (scale,))
    rows = tuple(
        _row(pair, size, series[pair.patient_id][scale], scale, rules, errors)
        for size, pair in sized
    )
    remark = f"{len(rows)} of {len(pairs)} patients with scores by this model"
    if len(models) > 1:
        remark += "; patients scored only by other models are not shown"
    if errors is None:
        remark += "; the model's error was not measured, changes are not judged"
    name = f"{model.identity.name} {model.identity.version}"
    return Ward(scale, name, rows, f"{remark}.")


def _size(pair: LatestPair, scale: str, errors: ErrorModel | None) -> float | None:
    """Return the change in smallest detectable changes, or in points without an error model."""
    if pair.before is None:
        return None
    difference = pair.last[1] - pair.before[1]
    if errors is None:
        return difference
    middle = (pair.last[1] + pair.before[1]) / 2.0
    return difference / errors.scale(scale).smallest_detectable_change(middle)


def _row(
    pair: LatestPair,
    size: float | None,
    series: list[tuple[datetime, float]],
    scale: str,
    rules: RuleSet,
    errors: ErrorModel | None,
) -> WardRow:
    times = [at for at, _ in series]
    values = [value for _, value in series]
    advice = None
    if errors is not None:
        smallest = rules.smallest_change.get(scale, 0.0)
        advice = advise(times, find_steps(values, errors.scale(scale), rules, smallest), rules)
    warnings = []
    if pair.before is not None:
        views = {projection(pair.last[2]), projection(pair.before[2])}
        if None in views:
            warnings.append("projection unknown")
        elif len(views) > 1:
            warnings.append("projection differs")
        if pair.last[3] or pair.before[3]:
            warnings.append("quality flags")
    return WardRow(
        pair.patient,
        pair.calendar,
        pair.last[0],
        tuple((at - times[0]) / _DAY for at in times),
        tuple(values),
        None if pair.before is None else pair.last[1] - pair.before[1],
        None if errors is None else size,
        advice,
        tuple(warnings),
    )
