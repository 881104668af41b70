"""Real series: films by day, scores, events, laboratory values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.parsing import parse_number, parse_view
from pneumoscore.cohort.public import load_collection_visible, load_hannover
from pneumoscore.cohort.tables import Row
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.monitor.hannover import EVENT_COLUMNS, event_day, hannover_rows
from pneumoscore.severity.model import SeverityModel
from pneumoscore.study.predictions import predict_cohort
from training.validation.unfitted import series_rows

__all__ = [
    "LABORATORY",
    "PatientSeries",
    "SeriesFilm",
    "collection_series",
    "hannover_series",
    "score_cohorts",
    "unfitted_series",
]

LABORATORY = ("po2", "crp", "ldh", "lymphocytes")
"""Measurements of the Hannover table, each with its day."""

Scores = Mapping[str, Mapping[str, float]]
"""Values by scale, by the film's name."""


@dataclass(frozen=True, slots=True)
class SeriesFilm:
    """One film of a series.

    Attributes
    ----------
    name : str
        Within its cohort.
    day : float
        Days since the patient's day 0.
    view : str or None
        Projection.
    values : mapping of str to float
        Score by scale.
    laboratory : mapping of str to float
        Measurements within a day of the film, by name.
    in_icu : bool or None
        Whether the patient was in intensive care, if the table says.
    """

    name: str
    day: float
    view: str | None
    values: Mapping[str, float]
    laboratory: Mapping[str, float] = field(default_factory=dict)
    in_icu: bool | None = None


@dataclass(frozen=True, slots=True)
class PatientSeries:
    """One patient's films in time order.

    Attributes
    ----------
    patient, source : str
        Identifier, and where from.
    films : tuple of SeriesFilm
        In time order.
    events : mapping of str to float
        Day by kind of event.
    died, went_to_icu : bool or None
        Outcomes; None if unknown.
    """

    patient: str
    source: str
    films: tuple[SeriesFilm, ...]
    events: Mapping[str, float] = field(default_factory=dict)
    died: bool | None = None
    went_to_icu: bool | None = None


def score_cohorts(
    model: SeverityModel, data: Path, progress: Callable[[int], None] | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    """Score the dated films of the Hannover stays, the collection and the further series.

    Returns
    -------
    dict
        Value by scale, by film, by cohort; films that the gate refuses are left out.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    done = 0
    for cohort in (*_cohorts(data), _series_cohort(data)):
        report = None if progress is None else partial(_report, progress, done)
        scored = predict_cohort(model, cohort, force=False, progress=report)
        done += len(cohort)
        found[cohort.name] = {
            film.name: {item.scale.name: item.value for item in score.scales}
            for film, score in zip(scored.cohort, scored.scores, strict=True)
        }
    return found


def _report(progress: Callable[[int], None], base: int, done: int) -> None:
    progress(base + done)


def _cohorts(data: Path) -> tuple[Cohort, Cohort]:
    hannover = load_hannover(data)
    collection = load_collection_visible(data).where(lambda film: film.offset_days is not None)
    # The collection holds some of the Hannover stays too.
    stems = {film_stem(film.name) for film in hannover}
    twice = {film.patient for film in collection if film_stem(film.name) in stems}
    collection = collection.where(lambda film: film.patient not in twice)
    counts: dict[str, int] = {}
    for film in collection:
        counts[film.patient] = counts.get(film.patient, 0) + 1
    return hannover, collection.where(lambda film: counts[film.patient] > 1)


def _laboratory(row: Row) -> dict[str, float]:
    found = {}
    for name in LABORATORY:
        value = parse_number(row.get(f"{name}_val"))
        offset = parse_number(row.get(f"{name}_offset"))
        if value is not None and offset is not None and abs(offset) <= 1.0:
            found[name] = value
    return found


def unfitted_series(data: Path, scores: Scores) -> list[PatientSeries]:
    """Return the series of the table ``series.csv`` by day, which no label taught a network."""
    grouped: dict[str, list[Row]] = {}
    for row in series_rows(data):
        if row["file"] in scores:
            grouped.setdefault(str(row["patient"]), []).append(row)
    found = []
    for patient, rows in grouped.items():
        films = [
            SeriesFilm(
                str(row["file"]),
                float(str(row["day"])),
                parse_view(row["view"]),
                scores[str(row["file"])],
            )
            for row in rows
        ]
        films.sort(key=lambda film: film.day)
        survived = {parse_number(row["survival"]) for row in rows} - {None}
        died = None if len(survived) != 1 else survived == {0.0}
        found.append(PatientSeries(patient, "series", tuple(films), died=died))
    return found


def _series_cohort(data: Path) -> Cohort:
    films = [
        CohortFilm(str(row["file"]), data / "series" / str(row["file"]), str(row["patient"]))
        for row in series_rows(data)
    ]
    return Cohort("series", tuple(films))


def hannover_series(data: Path, scores: Scores) -> list[PatientSeries]:
    """Return the Hannover stays, day 0 = admission."""
    rows = hannover_rows(data)
    grouped: dict[str, list[CohortFilm]] = {}
    for film in load_hannover(data):
        if film.name in scores and film.offset_days is not None:
            grouped.setdefault(film.patient, []).append(film)
    series = []
    for patient, films in grouped.items():
        events: dict[str, float] = {"admission": 0.0}
        for film in films:
            for kind, column in EVENT_COLUMNS.items():
                day = event_day(rows[film.name], column)
                if day is not None:
                    events[kind] = day
        parts = [
            SeriesFilm(
                film.name,
                float(film.offset_days or 0.0),
                film.view,
                scores[film.name],
                _laboratory(rows[film.name]),
            )
            for film in films
        ]
        parts.sort(key=lambda part: part.day)
        series.append(
            PatientSeries(
                patient,
                "hannover",
                tuple(parts),
                events,
                died="death" in events,
                went_to_icu="icu_admission" in events,
            )
        )
    return series


def collection_series(data: Path, scores: Scores) -> list[PatientSeries]:
    """Return the collection's patients with dated films, days as the collection counts them.

    The day of ICU admission is taken as that of the first film in intensive care after one
    outside it, where the table says so film by film.
    """
    cohort = _cohorts(data)[1]
    grouped: dict[str, list[CohortFilm]] = {}
    for film in cohort:
        if film.name in scores:
            grouped.setdefault(film.patient, []).append(film)
    return [_collection_patient(patient, films, scores) for patient, films in grouped.items()]


def _collection_patient(patient: str, films: Sequence[CohortFilm], scores: Scores) -> PatientSeries:
    ordered = sorted(films, key=lambda film: float(film.offset_days or 0.0))
    parts = tuple(
        SeriesFilm(
            film.name,
            float(film.offset_days or 0.0),
            film.view,
            scores[film.name],
            in_icu=film.outcomes.get("in_icu"),
        )
        for film in ordered
    )
    events: dict[str, float] = {}
    outside = False
    for part in parts:
        if part.in_icu is False:
            outside = True
        elif part.in_icu and outside:
            events["icu_admission"] = part.day
            break
    stated = [film.outcomes for film in ordered]
    return PatientSeries(
        patient,
        "collection",
        parts,
        events,
        died=_any(item.get("death") for item in stated),
        went_to_icu=_any(item.get("icu_admission") for item in stated),
    )


def _any(values: Iterable[bool | None]) -> bool | None:
    known = [value for value in values if value is not None]
    return any(known) if known else None
