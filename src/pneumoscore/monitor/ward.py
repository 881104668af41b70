"""The ward: one line for each patient, the most pressing verdict first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from pneumoscore.monitor.change.advice import ADVICE_ORDER, Advice, advice_at
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.verdict import ended_stay
from pneumoscore.monitor.change.watch import watch
from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.everyone import PatientSeries, SeriesPoint, read_all_series, read_stays
from pneumoscore.records.reading import read_models
from pneumoscore.records.types import EventRecord

__all__ = ["Ward", "WardRow", "ward_overview"]

_DAY = timedelta(days=1)
# The clocks of scanners and of time zones ahead of this one.
_AHEAD = timedelta(days=2)
_NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class WardRow:
    """One patient of the ward.

    Attributes
    ----------
    patient, issuer : str
        Number, and who gave it.
    calendar : bool
        Whether times are dates.
    last_at : datetime
        Last film.
    days_ago : float or None
        Days since then; None where only days of a stay are known.
    days, values : tuple of float
        The series, days since its first film.
    difference : float or None
        Last film minus the one before; None with one film.
    advice : Advice or None
        Of the series; None where the error was not measured.
    left : {"death", "discharge"} or None
        How the stay ended.
    warnings : tuple of str
        Why the last two films may not be comparable.
    """

    patient: str
    issuer: str
    calendar: bool
    last_at: datetime
    days_ago: float | None
    days: tuple[float, ...]
    values: tuple[float, ...]
    difference: float | None
    advice: Advice | None
    left: str | None
    warnings: tuple[str, ...]

    @property
    def word(self) -> str:
        """The advice in one word."""
        return _NOT_JUDGED if self.advice is None else self.advice.word


@dataclass(frozen=True, slots=True)
class Ward:
    """The patients, the most pressing first.

    Attributes
    ----------
    scale, model : str
        Whose scores.
    rows : tuple of WardRow
        By verdict (`ADVICE_ORDER`), then by size of the change in standard errors.
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
    days: float | None = None,
    everyone: bool = False,
    limit: int = 50,
    now: datetime | None = None,
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
    days : float, optional
        Only patients with a film in the last so many days; one dated later than the day after
        tomorrow does not count. Patients known by day stay.
    everyone : bool, optional
        Whether to list the discharged and the dead too.
    limit : int, optional
        Most lines.
    now : datetime, optional
        Local time that films are counted back from.

    Raises
    ------
    RecordsError
        If no scores are recorded.
    """
    models = read_models(records)
    chosen = [item for item in models if model_id is None or item.id == model_id]
    if not chosen:
        raise RecordsError("no scores are recorded", "imported films")
    model, today = chosen[-1], now or datetime.now()
    since = None if days is None else today - timedelta(days=days)
    with records.reading() as connection:
        found = read_all_series(connection, model.id, scale, since, today + _AHEAD)
        stays = read_stays(connection)
    ended = {item.id: ended_stay(stays.get(item.id, ())) for item in found}
    shown = [item for item in found if everyone or ended[item.id] is None]
    advices = [
        _until_the_end(advice, ended[item.id])
        for item, advice in zip(shown, _advise(shown, scale, rules, errors), strict=True)
    ]
    rows: list[WardRow] = []
    for place in sorted(range(len(shown)), key=lambda place: _rank(shown[place], advices[place])):
        if len(rows) == limit:
            break
        left = ended[shown[place].id]
        kind = None if left is None else left.kind
        rows.append(_row(shown[place], advices[place], kind, today))
    gone = len(found) - len(shown)
    remark = f"{len(rows)} of {len(found)} patients with scores by this model"
    if gone:
        remark += f"; {gone} discharged or dead are left out"
    if len(models) > 1:
        remark += "; patients scored only by other models are not shown"
    if errors is None:
        remark += "; the model's error was not measured, changes are not judged"
    name = f"{model.identity.name} {model.identity.version}"
    return Ward(scale, name, tuple(rows), f"{remark}.")


def _advise(
    series: Sequence[PatientSeries], scale: str, rules: RuleSet, errors: ErrorModel | None
) -> list[Advice | None]:
    """Apply the rules to all series at once, those of similar length together."""
    advices: list[Advice | None] = [None] * len(series)
    if errors is None:
        return advices
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
            days[row, : len(points)] = [(point.at - points[0].at) / _DAY for point in points]
            values[row, : len(points)] = [point.value for point in points]
        said = watch(days, values, counts, error, rules, smallest)
        for row, place in enumerate(places):
            advices[place] = advice_at(said, int(counts[row]), rules, row)
    return advices


def _until_the_end(advice: Advice | None, end: EventRecord | None) -> Advice | None:
    if advice is None or end is None:
        return advice
    word = "died" if end.kind == "death" else "discharged"
    return replace(advice, word=word, reason=f"until then {advice.word}: {advice.reason}")


def _rank(series: PatientSeries, advice: Advice | None) -> tuple[int, float, int]:
    if advice is None:
        points = series.points[-2:]
        return 0, points[0].value - points[-1].value, series.id
    return ADVICE_ORDER.index(advice.word), -abs(advice.size), series.id


def _row(series: PatientSeries, advice: Advice | None, left: str | None, now: datetime) -> WardRow:
    points = series.points
    values = tuple(point.value for point in points)
    last = points[-1].at
    return WardRow(
        patient=series.patient,
        issuer=series.issuer,
        calendar=series.calendar,
        last_at=last,
        days_ago=(now - last) / _DAY if series.calendar else None,
        days=tuple((point.at - points[0].at) / _DAY for point in points),
        values=values,
        difference=values[-1] - values[-2] if len(values) > 1 else None,
        advice=advice,
        left=left,
        warnings=_warnings(points[-2:]),
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
