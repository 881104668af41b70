"""Predictions beside labels, one scale at a time: from a model or from a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.parsing import parse_number, parse_sex, parse_text, parse_view
from pneumoscore.cohort.tables import Row, read_table, require_columns
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import UnreadableFileError
from pneumoscore.files import first_line, write
from pneumoscore.pipeline.job import score_files
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import OPACITY, OPACITY_RALO, Scale, rescale_opacity, scale_named
from pneumoscore.severity.score import Score

__all__ = [
    "PredictionTable",
    "ScoredCohort",
    "align_opacity",
    "predict_cohort",
    "predictions_of",
    "read_predictions",
    "write_predictions",
]

_COLUMNS = ("file", "patient", "view", "source", "scale", "target", "prediction")
_OPTIONAL = ("sex", "age", "low", "high")


@dataclass(frozen=True, slots=True, eq=False)
class PredictionTable:
    """Predictions and labels of films on one scale.

    Attributes
    ----------
    name : str
        What predicted.
    scale : Scale
        Of predictions and labels.
    films, patients, sources, views : tuple of str
        Of each film; views and sources may be empty.
    sexes : tuple of str
        ``"F"``, ``"M"`` or empty.
    ages : ndarray of float, shape (n,)
        Years; NaN where unknown.
    targets, predictions : ndarray of float, shape (n,)
        Labels and predictions.
    lows, highs : ndarray of float, shape (n,)
        Ends of the intervals; NaN where there is none.
    """

    name: str
    scale: Scale
    films: tuple[str, ...]
    patients: tuple[str, ...]
    sources: tuple[str, ...]
    views: tuple[str, ...]
    sexes: tuple[str, ...]
    ages: NDArray[np.float64]
    targets: NDArray[np.float64]
    predictions: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.films)

    @property
    def has_intervals(self) -> bool:
        """Whether every film has an interval."""
        return bool(len(self)) and bool(np.isfinite(self.lows + self.highs).all())

    @classmethod
    def joined(cls, tables: Sequence[PredictionTable]) -> PredictionTable:
        """Return the films of several tables of one scale, under the first one's name."""
        return tables[0]._with(
            lambda name: tuple(value for table in tables for value in getattr(table, name)),
            lambda name: np.concatenate([getattr(table, name) for table in tables]),
        )

    def take(self, index: Sequence[int] | NDArray[np.intp]) -> PredictionTable:
        """Return the table of the films at `index`."""
        places = np.asarray(index, dtype=np.intp)
        return self._with(
            lambda name: tuple(getattr(self, name)[place] for place in places),
            lambda name: getattr(self, name)[places],
        )

    def _with(
        self,
        texts: Callable[[str], tuple[str, ...]],
        numbers: Callable[[str], NDArray[np.float64]],
    ) -> PredictionTable:
        """Return a table of other columns, each made from its name."""
        return PredictionTable(
            self.name,
            self.scale,
            texts("films"),
            texts("patients"),
            texts("sources"),
            texts("views"),
            texts("sexes"),
            numbers("ages"),
            numbers("targets"),
            numbers("predictions"),
            numbers("lows"),
            numbers("highs"),
        )


def align_opacity(cohort: Cohort) -> Cohort:
    """Return the cohort with RALO opacity labels (0-8) also on the scale 0-6, by `rescale_opacity`.

    A figure that uses it must say so. Labels that are there already stay.
    """

    def aligned(film: CohortFilm) -> CohortFilm:
        if "opacity" in film.labels or "opacity_ralo" not in film.labels:
            return film
        opacity = rescale_opacity(film.labels["opacity_ralo"], OPACITY_RALO, OPACITY)
        return replace(film, labels={**film.labels, "opacity": opacity})

    return replace(cohort, films=tuple(aligned(film) for film in cohort))


@dataclass(frozen=True, slots=True)
class ScoredCohort:
    """A cohort's films that have a score, and why the others have none.

    Attributes
    ----------
    cohort : Cohort
        The films with a score.
    scores : tuple of Score
        One for each of them.
    failures : tuple of str
        Name and reason of each other film.
    """

    cohort: Cohort
    scores: tuple[Score, ...]
    failures: tuple[str, ...]


def predict_cohort(
    model: SeverityModel,
    cohort: Cohort,
    *,
    force: bool = True,
    level: float = 0.9,
    scales: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> ScoredCohort:
    """Score every film of a cohort; one that cannot be read does not stop the rest.

    Parameters
    ----------
    model : SeverityModel
        Which model.
    cohort : Cohort
        Whose films are read from their files.
    force : bool, optional
        Whether films that the quality gate refuses get a score; an evaluation that leaves
        them out would flatter the model.
    level : float, optional
        Nominal coverage of the intervals.
    scales : sequence of str, optional
        Default: those the model shows.
    progress : callable, optional
        Called with the number of films done.
    """
    options = ScoringOptions(level, force, None if scales is None else tuple(scales))
    kept, scores, failures = [], [], []
    results = score_files((film.path for film in cohort), model, options)
    for done, (film, result) in enumerate(zip(cohort, results, strict=True), start=1):
        if result.score is None:
            failures.append(f"{film.name}: {result.error}")
        else:
            kept.append(film)
            scores.append(result.score)
        if progress is not None:
            progress(done)
    return ScoredCohort(replace(cohort, films=tuple(kept)), tuple(scores), tuple(failures))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def predictions_of(name: str, scored: ScoredCohort, scale: str) -> PredictionTable:
    """Return the predictions of the films that have a label on `scale`."""
    rows = [
        (film, score[scale])
        for film, score in zip(scored.cohort, scored.scores, strict=True)
        if scale in film.labels
    ]
    return PredictionTable(
        name,
        scale_named(scale),
        tuple(film.name for film, _ in rows),
        tuple(film.patient for film, _ in rows),
        tuple(film.source for film, _ in rows),
        tuple(film.view or "" for film, _ in rows),
        tuple(film.sex or "" for film, _ in rows),
        np.array([_number(film.age_years) for film, _ in rows]),
        np.array([film.labels[scale] for film, _ in rows], dtype=np.float64),
        np.array([value.value for _, value in rows], dtype=np.float64),
        np.array([_number(value.low) for _, value in rows]),
        np.array([_number(value.high) for _, value in rows]),
    )


def _table_of(name: str, scale: str, rows: Sequence[Row]) -> PredictionTable:
    def texts(column: str) -> tuple[str, ...]:
        return tuple(row.get(column, "").strip() for row in rows)

    def numbers(column: str) -> NDArray[np.float64]:
        return np.array([_number(parse_number(row.get(column))) for row in rows], dtype=np.float64)

    return PredictionTable(
        name,
        scale_named(scale),
        texts("file"),
        texts("patient"),
        texts("source"),
        tuple(parse_view(row.get("view")) or "" for row in rows),
        tuple(parse_sex(row.get("sex")) or "" for row in rows),
        numbers("age"),
        numbers("target"),
        numbers("prediction"),
        numbers("low"),
        numbers("high"),
    )


def read_predictions(path: Path, name: str | None = None) -> dict[str, PredictionTable]:
    """Read predictions from a CSV or Parquet table, by scale.

    Columns ``file, patient, view, source, scale, target, prediction``, one row for each film
    and scale; ``sex``, ``age``, ``low`` and ``high`` may be added. Rows without a target are
    left out.

    Raises
    ------
    UnreadableFileError
        If a column is missing, a prediction is no number, a patient is empty, or a film
        comes twice on one scale.
    ModelError
        If a scale is unknown.
    """
    rows = read_table(path)
    require_columns(rows, _COLUMNS, path.name)
    by_scale: dict[str, list[Row]] = {}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if parse_text(row["target"]) is None:
            continue
        key = (row["scale"], row["file"])
        bad = [column for column in ("target", "prediction") if parse_number(row[column]) is None]
        if bad or key in seen or not row["patient"].strip():
            reason = f"has no number in {bad[0]}" if bad else "has no patient"
            raise UnreadableFileError(
                f"{path.name}: {row['file']} on {row['scale']} "
                + ("comes twice" if key in seen else reason),
                "one row for each film and scale, with patient, target and prediction",
            )
        seen.add(key)
        by_scale.setdefault(row["scale"], []).append(row)
    if not by_scale:
        raise UnreadableFileError(f"{path.name} has no row with a target", "predictions and labels")
    return {scale: _table_of(name or path.stem, scale, kept) for scale, kept in by_scale.items()}


def write_predictions(path: Path, tables: Sequence[PredictionTable]) -> None:
    """Write tables in the form that `read_predictions` reads."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow((*_COLUMNS, *_OPTIONAL))
    for table in tables:
        for index in range(len(table)):
            numbers = (table.ages, table.lows, table.highs)
            age, low, high = (
                f"{values[index]:.6g}" if np.isfinite(values[index]) else "" for values in numbers
            )
            writer.writerow(
                (
                    table.films[index],
                    table.patients[index],
                    table.views[index],
                    table.sources[index],
                    table.scale.name,
                    f"{table.targets[index]:.6g}",
                    f"{table.predictions[index]:.6g}",
                    table.sexes[index],
                    age,
                    low,
                    high,
                )
            )
    data = stream.getvalue().encode("utf-8")
    write(path, data, header=first_line(data), make_folder=True)
