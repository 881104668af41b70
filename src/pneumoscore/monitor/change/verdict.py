"""A patient's trajectory judged: what changed, against what, since when, and the advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from pneumoscore.monitor.change.advice import ADVICE_ORDER, Advice, Call, advice_at, calls_of
from pneumoscore.monitor.change.advice import watch_one as watch_series
from pneumoscore.monitor.change.comparison import Comparison, compare_levels
from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import PairChange, compare_films, comparison_warnings
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.trend import Trend, local_trend
from pneumoscore.records.types import EventRecord, Timeline, TimelineFilm
from pneumoscore.severity.scale import scale_named

__all__ = [
    "NO_FILM",
    "PatientVerdict",
    "ScaleVerdict",
    "SeriesCall",
    "ended_stay",
    "judge",
    "not_watched",
    "patient_advice",
    "watched_scales",
]

_DAY = timedelta(days=1)
NO_FILM = "no film"
"""Reason of the advice on a scale without a score of the patient."""
REFERENCES = ("treatment_start", "admission")


@dataclass(frozen=True, slots=True)
class SeriesCall:
    """A call with its times.

    Attributes
    ----------
    call : Call
        Indices into the films of the scale.
    seen_at, first_at : datetime
        Film at which it was called, and first film of the new level.
    warnings : tuple of str
        Why the levels may not be comparable.
    """

    call: Call
    seen_at: datetime
    first_at: datetime
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScaleVerdict:
    """One scale of a trajectory.

    Attributes
    ----------
    scale : str
        Which score.
    films : tuple of TimelineFilm
        Those with a score on it; films of one exposure once.
    pairs : tuple of PairChange
        From each film to the next.
    calls : tuple of SeriesCall
        In time order.
    comparisons : tuple of Comparison
        The level now against the film before, the references, the lowest and the highest level.
    trend : Trend or None
        At the last film.
    reference : str
        What the first changes are counted from: an event's kind, or ``"first film"``.
    first_worsening, first_improvement : SeriesCall or None
        Of the calls whose films all lie at or after the reference.
    advice : Advice
        Of this scale.
    """

    scale: str
    films: tuple[TimelineFilm, ...]
    pairs: tuple[PairChange, ...]
    calls: tuple[SeriesCall, ...]
    comparisons: tuple[Comparison, ...]
    trend: Trend | None
    reference: str
    first_worsening: SeriesCall | None
    first_improvement: SeriesCall | None
    advice: Advice


@dataclass(frozen=True, slots=True)
class PatientVerdict:
    """A trajectory judged.

    Attributes
    ----------
    scales : tuple of ScaleVerdict
        In the order of the rules.
    advice : Advice
        Of the patient: the most pressing of the scales; ``"died"`` or ``"discharged"`` for who
        is no longer there.
    """

    scales: tuple[ScaleVerdict, ...]
    advice: Advice


def judge(timeline: Timeline, errors: ErrorModel, rules: RuleSet) -> PatientVerdict:
    """Judge a patient's trajectory by one model.

    Parameters
    ----------
    timeline : Timeline
        From the records.
    errors : ErrorModel
        Of the timeline's model.
    rules : RuleSet
        When a change is called.

    Raises
    ------
    ModelError
        If the error was measured on none of the scales that the rules watch.
    """
    watched = watched_scales(rules, errors)
    if not watched:
        errors.scale(rules.scales[0])
    parts = tuple(_judge_scale(timeline, scale, errors, rules) for scale in watched)
    said = [(part.scale, part.advice) for part in parts]
    return PatientVerdict(parts, patient_advice(said, rules, ended_stay(timeline.events)))


def watched_scales(rules: RuleSet, errors: ErrorModel | None) -> tuple[str, ...]:
    """Return the scales that the rules watch and whose error was measured, in their order."""
    return () if errors is None else tuple(it for it in rules.scales if it in errors.scales)


def not_watched(rules: RuleSet, errors: ErrorModel | None) -> str:
    """Say why changes of some scales are not judged; empty if those of all are."""
    watched = watched_scales(rules, errors)
    missing = [scale_named(name).title for name in rules.scales if name not in watched]
    if not missing:
        return ""
    return f"the model's error on {' and '.join(missing)} was not measured"


def patient_advice(
    parts: Sequence[tuple[str, Advice]], rules: RuleSet, left: EventRecord | None
) -> Advice:
    """Return what is said of a patient: of the scales, the most pressing.

    Parameters
    ----------
    parts : sequence of (str, Advice)
        Scale and its advice, in the order of the rules.
    rules : RuleSet
        Named in the advice.
    left : EventRecord or None
        Death or discharge that ended the stay: ``"died"`` or ``"discharged"`` is said then.
    """
    chosen = min((advice for _, advice in parts), key=lambda one: ADVICE_ORDER.index(one.word))
    reasons = [
        f"{scale_named(scale).title}: {advice.reason}"
        for scale, advice in parts
        if advice.word == chosen.word or advice.word in ("worsening", "improving")
    ]
    advice = replace(chosen, reason="; ".join(reasons), rules=rules.label)
    if left is None:
        return advice
    word = "died" if left.kind == "death" else "discharged"
    return replace(advice, word=word, reason=f"until then {advice.word} ({advice.reason})")


def ended_stay(events: Sequence[EventRecord]) -> EventRecord | None:
    """Return the death or discharge that no later admission follows; None if there is none."""
    deaths = [event for event in events if event.kind == "death"]
    if deaths:
        return deaths[0]
    gone = [event for event in events if event.kind == "discharge"]
    back = [event.at for event in events if event.kind in ("admission", "icu_admission")]
    if not gone or any(at > gone[-1].at for at in back):
        return None
    return gone[-1]


def _judge_scale(
    timeline: Timeline, scale: str, errors: ErrorModel, rules: RuleSet
) -> ScaleVerdict:
    shown = [
        (film, at)
        for film, at in zip(timeline.films, timeline.clock, strict=True)
        if scale in film.values
    ]
    films = tuple(film for film, _ in shown)
    values = [film.values[scale].value for film in films]
    clock = [at for _, at in shown]
    error = errors.scale(scale)
    advice = Advice("one film", NO_FILM, rules.label)
    trend: Trend | None = None
    calls: tuple[SeriesCall, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    if films:
        smallest = rules.smallest_change.get(scale, 0.0)
        said = watch_series(clock, values, error, rules, smallest)
        advice = advice_at(said, len(films), rules)
        calls = tuple(_with_times(call, films) for call in calls_of(said))
        recent = int(said.recent[0, len(films) - 1])
        # Events are recorded by the local clock.
        local = [film.taken_at for film in films]
        comparisons = compare_levels(local, values, recent, _references(timeline), error, rules)
        days = [(at - clock[-1]) / _DAY for at in clock]
        trend = local_trend(days, values, error, at=0.0, half_width=rules.trend_days)
    reference, start = _first_reference(timeline)
    since = [item for item in calls if start is None or item.first_at >= start]
    return ScaleVerdict(
        scale=scale,
        films=films,
        pairs=tuple(
            compare_films(first, second, scale, errors) for first, second in pairwise(films)
        ),
        calls=calls,
        comparisons=comparisons,
        trend=trend,
        reference=reference,
        first_worsening=next((item for item in since if item.call.higher), None),
        first_improvement=next((item for item in since if not item.call.higher), None),
        advice=advice,
    )


def _with_times(call: Call, films: Sequence[TimelineFilm]) -> SeriesCall:
    before = tuple(films[max(0, call.first - 3) : call.first])
    after = tuple(films[call.first : call.seen + 1])
    return SeriesCall(
        call,
        films[call.seen].taken_at,
        films[call.first].taken_at,
        comparison_warnings(before, after),
    )


def _references(timeline: Timeline) -> list[tuple[str, datetime]]:
    """Return the latest admission and start of treatment, where they are recorded."""
    found = []
    for kind in reversed(REFERENCES):
        times = [event.at for event in timeline.events if event.kind == kind]
        if times:
            found.append((kind, max(times)))
    return found


def _first_reference(timeline: Timeline) -> tuple[str, datetime | None]:
    """Return what first changes are counted from: the start of treatment, else admission."""
    known = dict(_references(timeline))
    for kind in REFERENCES:
        if kind in known:
            return kind, known[kind]
    return "first film", None
