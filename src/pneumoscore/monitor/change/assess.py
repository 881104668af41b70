"""A patient's trajectory, assessed: what changed, since when, and the advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pneumoscore.monitor.change.error_model import ErrorModel
from pneumoscore.monitor.change.pair import PairChange, compare_films, comparison_warnings
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.steps import Step, find_steps
from pneumoscore.monitor.change.trend import Trend, local_trend
from pneumoscore.records.types import Timeline, TimelineFilm
from pneumoscore.severity.scale import scale_named

__all__ = ["Advice", "Assessment", "ScaleAssessment", "SeriesStep", "advise", "assess"]

_DAY = timedelta(days=1)
_REFERENCES = ("treatment_start", "admission")


@dataclass(frozen=True, slots=True)
class Advice:
    """What the rules say of a series; never a treatment.

    Attributes
    ----------
    word : {"worsening", "stable", "improving", "one film"}
        ``"one film"`` when there is nothing to compare.
    reason : str
        Why, in one sentence with numbers.
    rules : str
        Name and version of the rule set.
    """

    word: str
    reason: str
    rules: str


@dataclass(frozen=True, slots=True)
class SeriesStep:
    """A step with its times.

    Attributes
    ----------
    step : Step
        Indices into the films of the scale.
    seen_at, first_at : datetime
        Film at which it was detected, and first film of the new level.
    warnings : tuple of str
        Why the levels may not be comparable.
    """

    step: Step
    seen_at: datetime
    first_at: datetime
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScaleAssessment:
    """One scale of a trajectory.

    Attributes
    ----------
    scale : str
        Which score.
    films : tuple of TimelineFilm
        Those with a score on it.
    pairs : tuple of PairChange
        From each film to the next.
    steps : tuple of SeriesStep
        In time order.
    trend : Trend or None
        At the last film.
    reference : str
        What the first changes are counted from: an event's kind, or ``"first film"``.
    first_worsening, first_improvement : SeriesStep or None
        Since the reference.
    advice : Advice
        Of this scale.
    """

    scale: str
    films: tuple[TimelineFilm, ...]
    pairs: tuple[PairChange, ...]
    steps: tuple[SeriesStep, ...]
    trend: Trend | None
    reference: str
    first_worsening: SeriesStep | None
    first_improvement: SeriesStep | None
    advice: Advice


@dataclass(frozen=True, slots=True)
class Assessment:
    """A trajectory assessed.

    Attributes
    ----------
    scales : tuple of ScaleAssessment
        In the order of the rules.
    advice : Advice
        Of the patient: worsening if any scale worsens, else improving if any improves.
    """

    scales: tuple[ScaleAssessment, ...]
    advice: Advice


def assess(timeline: Timeline, errors: ErrorModel, rules: RuleSet) -> Assessment:
    """Assess a patient's trajectory by one model.

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
        If the error on a scale was not measured.
    """
    parts = tuple(_assess_scale(timeline, scale, errors, rules) for scale in rules.scales)
    order = ("worsening", "improving", "stable", "one film")
    words = [part.advice.word for part in parts]
    word = next(word for word in order if word in words)
    reasons = [
        f"{scale_named(part.scale).title}: {part.advice.reason}"
        for part in parts
        if part.advice.word == word or part.advice.word in order[:2]
    ]
    return Assessment(parts, Advice(word, "; ".join(reasons), _label(rules)))


def _label(rules: RuleSet) -> str:
    return f"{rules.name} {rules.version}"


def _assess_scale(
    timeline: Timeline, scale: str, errors: ErrorModel, rules: RuleSet
) -> ScaleAssessment:
    films = tuple(film for film in timeline.films if scale in film.values)
    values = [film.values[scale].value for film in films]
    error = errors.scale(scale)
    smallest = rules.smallest_change.get(scale, 0.0)
    steps = tuple(
        SeriesStep(
            step,
            films[step.seen].taken_at,
            films[step.first].taken_at,
            comparison_warnings(films[step.since : step.first], films[step.first : step.seen + 1]),
        )
        for step in find_steps(values, error, rules, smallest)
    )
    reference, start = _reference(timeline)
    since = [item for item in steps if start is None or item.seen_at >= start]
    trend = None
    if films:
        days = [(film.taken_at - films[-1].taken_at) / _DAY for film in films]
        trend = local_trend(days, values, error, at=0.0, half_width=rules.trend_days)
    return ScaleAssessment(
        scale=scale,
        films=films,
        pairs=tuple(
            compare_films(first, second, scale, errors) for first, second in pairwise(films)
        ),
        steps=steps,
        trend=trend,
        reference=reference,
        first_worsening=next((item for item in since if item.step.higher), None),
        first_improvement=next((item for item in since if not item.step.higher), None),
        advice=advise([film.taken_at for film in films], [item.step for item in steps], rules),
    )


def _reference(timeline: Timeline) -> tuple[str, datetime | None]:
    """Return what first changes are counted from: the start of treatment, else admission."""
    for kind in _REFERENCES:
        times = [event.at for event in timeline.events if event.kind == kind]
        if times:
            return kind, min(times)
    return "first film", None


def advise(times: Sequence[datetime], steps: Sequence[Step], rules: RuleSet) -> Advice:
    """Return the advice at the last film of one scale.

    Parameters
    ----------
    times : sequence of datetime
        Of the films.
    steps : sequence of Step
        From `find_steps`.
    rules : RuleSet
        How long a step is the advice.
    """
    label = _label(rules)
    if len(times) < 2:
        return Advice("one film", "nothing to compare", label)
    if not steps:
        return Advice("stable", f"no detectable step in {len(times)} films", label)
    last = steps[-1]
    age = (times[-1] - times[last.seen]) / _DAY
    size = f"{last.difference:+.1f} points (standard error {last.standard_error:.1f})"
    if age > rules.hold_days:
        return Advice(
            "stable", f"no detectable step for {age:.0f} days, the last was {size}", label
        )
    word = "worsening" if last.higher else "improving"
    after, before = last.seen - last.first + 1, last.first - last.since
    films = f"{after} {'film' if after == 1 else 'films'} against the {before} before"
    ratio = abs(last.difference / last.standard_error)
    return Advice(
        word,
        f"{size}, {films}: {ratio:.1f} standard errors, {last.boundary:.1f} needed",
        label,
    )
