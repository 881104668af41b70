"""The ward: one line for each patient, the most pressing verdict first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pneumoscore.monitor.change.advice import ADVICE_ORDER, Advice
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import projection
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.verdict import (
    NO_FILM,
    ended_stay,
    not_watched,
    patient_advice,
    watched_scales,
)
from pneumoscore.monitor.ward_advice import advise_series
from pneumoscore.records.database import Records
from pneumoscore.records.days import CLOCKS_AHEAD
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.everyone import ScoreSeries, SeriesPoint, read_all_series, read_stays
from pneumoscore.records.reading import read_models
from pneumoscore.records.types import EventRecord

__all__ = ["Ward", "WardChoice", "WardOrder", "WardRow", "ward_overview"]

_DAY = timedelta(days=1)
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
        Of the patient, as `judge` gives it: of all scales that the rules watch and whose error
        was measured, the most pressing; None where there is none.
    size : float or None
        Change of the level of the series, in standard errors; None where it was not judged.
    left : {"death", "discharge"} or None
        How the stay ended.
    warnings : tuple of str
        Why the last two films may not be comparable.
    id : int
        The patient's, within the records.
    flags : tuple of str
        Quality flags of the last film.
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
    size: float | None
    left: str | None
    warnings: tuple[str, ...]
    id: int = 0
    flags: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The advice in one word."""
        return _word(self.advice)


class WardOrder(StrEnum):
    """What stands first on the ward.

    Attributes
    ----------
    PRESSING
        The most pressing advice, then the largest change in standard errors of the score that
        it is of.
    NEWEST
        The newest film; patients known by day come last.
    HIGHEST
        The highest last score.
    """

    PRESSING = "pressing"
    NEWEST = "newest"
    HIGHEST = "highest"


@dataclass(frozen=True, slots=True)
class WardChoice:
    """Which patients the ward shows, and in which order.

    Attributes
    ----------
    model_id : int or None
        Whose scores; None for the newest model's.
    days : float or None
        Only patients with a film in the last so many days; one dated later than the day after
        tomorrow does not count. Patients known by day stay.
    everyone : bool
        Whether to list the discharged and the dead too.
    limit : int
        Most lines.
    order : WardOrder
        What stands first.
    words : tuple of str
        Only these advices; empty for all.
    flagged : bool
        Only patients whose last film carries a quality flag.
    without : frozenset of int
        Patients that are left out before anything is counted.
    """

    model_id: int | None = None
    days: float | None = None
    everyone: bool = False
    limit: int = 50
    order: WardOrder = WardOrder.PRESSING
    words: tuple[str, ...] = ()
    flagged: bool = False
    without: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Ward:
    """The patients, the most pressing first.

    Attributes
    ----------
    scale, model : str
        Whose scores.
    rows : tuple of WardRow
        As `WardChoice` orders them.
    remark : str
        How many patients there are, and what is left out.
    counts : dict of str to int
        Patients by advice, before the choice of advices.
    """

    scale: str
    model: str
    rows: tuple[WardRow, ...]
    remark: str
    counts: Mapping[str, int] = field(default_factory=dict)


def ward_overview(
    records: Records,
    scale: str,
    rules: RuleSet,
    errors: ErrorModel | None,
    choice: WardChoice = WardChoice(),  # noqa: B008 (frozen)
    *,
    now: datetime | None = None,
) -> Ward:
    """Return the ward.

    Parameters
    ----------
    records : Records
        Open.
    scale : str
        Which score is shown.
    rules : RuleSet
        For the advice, which is of all scales that they watch.
    errors : ErrorModel or None
        Of the model; None sorts by points and advises nothing.
    choice : WardChoice, optional
        Which patients, and in which order.
    now : datetime, optional
        Local time that films are counted back from.

    Raises
    ------
    RecordsError
        If no scores are recorded.
    """
    models = read_models(records)
    chosen = [item for item in models if choice.model_id in (None, item.id)]
    if not chosen:
        raise RecordsError("no scores are recorded", "imported films")
    model, today = chosen[-1], now or datetime.now()
    since = None if choice.days is None else today - timedelta(days=choice.days)
    watched = watched_scales(rules, errors)
    with records.reading() as connection:
        series = read_all_series(
            connection,
            model.id,
            tuple(dict.fromkeys((scale, *watched))),
            since,
            today + CLOCKS_AHEAD,
        )
        stays = read_stays(connection)
    found = [item for item in series[scale] if item.id not in choice.without]
    ended = {item.id: ended_stay(stays.get(item.id, ())) for item in found}
    there = [item for item in found if choice.everyone or ended[item.id] is None]
    shown = {item.id for item in there}
    by_scale = {
        name: advise_series([item for item in items if item.id in shown], name, rules, errors)
        for name, items in series.items()
        if errors is not None and name in errors.scales
    }
    parts = {name: by_scale[name] for name in watched}
    advices = [_of_patient(item.id, parts, rules, ended[item.id]) for item in there]
    pairs = [
        (item, advice)
        for item, advice in zip(there, advices, strict=True)
        if _wanted(item, advice, choice)
    ]
    pairs.sort(key=lambda pair: _rank(pair[0], pair[1], choice.order))
    rows: list[WardRow] = []
    for item, advice in pairs[: choice.limit]:
        left, own = ended[item.id], by_scale.get(scale, {}).get(item.id)
        size = None if own is None else own.size
        rows.append(_row(item, advice, size, None if left is None else left.kind, today))
    gone = len(found) - len(there)
    remark = f"{len(rows)} of {len(found)} patients with scores by this model"
    if gone:
        remark += f"; {gone} discharged or dead are left out"
    if len(models) > 1:
        remark += "; patients scored only by other models are not shown"
    unmeasured = not_watched(rules, errors)
    if unmeasured:
        remark += f"; {unmeasured}, its changes are not judged"
    name = f"{model.identity.name} {model.identity.version}"
    counts = Counter(_word(advice) for advice in advices)
    return Ward(scale, name, tuple(rows), f"{remark}.", counts)


def _word(advice: Advice | None) -> str:
    return _NOT_JUDGED if advice is None else advice.word


def _wanted(series: ScoreSeries, advice: Advice | None, choice: WardChoice) -> bool:
    if choice.words and _word(advice) not in choice.words:
        return False
    return not choice.flagged or bool(series.points[-1].flags)


def _of_patient(
    number: int,
    parts: Mapping[str, Mapping[int, Advice]],
    rules: RuleSet,
    left: EventRecord | None,
) -> Advice | None:
    if not parts:
        return None
    nothing = Advice("one film", NO_FILM, rules.label)
    said = [(scale, advices.get(number, nothing)) for scale, advices in parts.items()]
    return patient_advice(said, rules, left)


def _rank(series: ScoreSeries, advice: Advice | None, order: WardOrder) -> tuple[float, float, int]:
    last = series.points[-1]
    if order is WardOrder.NEWEST:
        if not series.calendar:
            return 1.0, 0.0, series.id
        return 0.0, (datetime.max - last.at) / _DAY, series.id
    if order is WardOrder.HIGHEST:
        return -last.value, 0.0, series.id
    if advice is None:
        points = series.points[-2:]
        return 0.0, points[0].value - points[-1].value, series.id
    return float(ADVICE_ORDER.index(advice.word)), -abs(advice.size), series.id


def _row(
    series: ScoreSeries, advice: Advice | None, size: float | None, left: str | None, now: datetime
) -> WardRow:
    points = series.points
    values = tuple(point.value for point in points)
    last = points[-1].at
    return WardRow(
        patient=series.patient,
        issuer=series.issuer,
        calendar=series.calendar,
        last_at=last,
        days_ago=(now - last) / _DAY if series.calendar else None,
        days=tuple((point.clock - points[0].clock) / _DAY for point in points),
        values=values,
        difference=values[-1] - values[-2] if len(values) > 1 else None,
        advice=advice,
        size=size,
        left=left,
        warnings=_warnings(points[-2:]),
        id=series.id,
        flags=tuple(points[-1].flags.split()),
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
