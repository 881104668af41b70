"""The ward: one line for each patient, sorted by recent change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pneumoscore.monitor.change.assess import Advice, advise
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.steps import find_steps
from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.reading import read_models
from pneumoscore.records.ward import (
    LatestPair,
    PatientCourse,
    SeriesPoint,
    read_courses,
    read_latest_pairs,
)

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
            ((_size(pair, scale, errors), pair.patient_id) for pair in pairs),
            key=lambda item: (-(item[0] if item[0] is not None else 0.0), item[1]),
        )[:limit]
        courses = read_courses(connection, [number for _, number in sized], model.id, scale)
    rows = tuple(_row(courses[number], size, scale, rules, errors) for size, number in sized)
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
    difference = pair.last - pair.before
    if errors is None:
        return difference
    middle = (pair.last + pair.before) / 2.0
    return difference / errors.scale(scale).smallest_detectable_change(middle)


def _row(
    course: PatientCourse,
    size: float | None,
    scale: str,
    rules: RuleSet,
    errors: ErrorModel | None,
) -> WardRow:
    points = course.points
    times = [point.at for point in points]
    values = [point.value for point in points]
    advice = None
    if errors is not None:
        smallest = rules.smallest_change.get(scale, 0.0)
        advice = advise(times, find_steps(values, errors.scale(scale), rules, smallest), rules)
    return WardRow(
        course.patient,
        course.calendar,
        times[-1],
        tuple((at - times[0]) / _DAY for at in times),
        tuple(values),
        values[-1] - values[-2] if len(values) > 1 else None,
        None if errors is None else size,
        advice,
        _warnings(points[-2:]),
    )


def _warnings(points: tuple[SeriesPoint, ...]) -> tuple[str, ...]:
    if len(points) < 2:
        return ()
    warnings = []
    views = {projection(point.view) for point in points}
    if None in views:
        warnings.append("projection unknown")
    elif len(views) > 1:
        warnings.append("projection differs")
    if any(point.flags for point in points):
        warnings.append("quality flags")
    return tuple(warnings)
