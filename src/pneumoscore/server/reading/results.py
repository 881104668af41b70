"""What a locked study gives: ratings and labels as other commands take them, and agreement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pneumoscore.cohort.ratings import Rating, RatingTable, labels_from_ratings
from pneumoscore.present.table import csv_line
from pneumoscore.records.database import Records
from pneumoscore.records.site_schema import (
    reader_items,
    reader_ratings,
    reader_study_readers,
)
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.study import StudyFilm, StudyState, find_study, study_films

__all__ = ["StudyResults", "read_results"]

SCALES = {"geographic_extent": "extent", "opacity": "opacity"}
"""Scale by the prefix of its columns."""


@dataclass(frozen=True, slots=True)
class StudyResults:
    """The answers of a locked study.

    Attributes
    ----------
    ratings : tuple of Rating
        First readings on both scales; films by code, readers by label (``reader-1``).
    repeats : tuple of Rating
        Second readings; the reader is ``reader-1-2``, as
        `pneumoscore.cohort.ratings.load_ratings` asks for.
    patients : dict of str to str
        A number for each patient (``P001``) by film code; no identifier leaves the study.
    answers : tuple of dict
        Every last answer with reader, film codes, comment, reason and seconds.
    model : dict of str to dict
        The model's values by scale and film code; empty before the unblinding.
    """

    ratings: tuple[Rating, ...]
    repeats: tuple[Rating, ...]
    patients: Mapping[str, str]
    answers: tuple[Mapping[str, Any], ...]
    model: Mapping[str, Mapping[str, float]]

    def table(self, scale: str) -> RatingTable:
        """Return the first readings on one scale, films by readers."""
        return RatingTable.of(self.ratings, scale)

    def ratings_csv(self) -> str:
        """Return the first readings as ``pneumoscore study agreement --ratings`` takes them."""
        return self._ratings(self.ratings)

    def repeats_csv(self) -> dict[str, str]:
        """Return by reader his films that he read twice, both readings, in the same form.

        A second reading is no further reader, so each reader has a file of his own.
        """
        found = {}
        for reader in dict.fromkeys(item.reader for item in self.ratings):
            again = [item for item in self.repeats if item.reader == _again(reader)]
            films = {item.film for item in again}
            first = [item for item in self.ratings if item.reader == reader and item.film in films]
            if again:
                found[reader] = self._ratings((*first, *again))
        return found

    def _ratings(self, ratings: Sequence[Rating]) -> str:
        return _csv(
            ("file", "reader", "scale", "right", "left", "patient"),
            (
                (r.film, r.reader, r.scale, _text(r.right), _text(r.left), self.patients[r.film])
                for r in ratings
            ),
        )

    def labels_csv(self) -> str:
        """Return the form that ``pneumoscore model fit --labels`` takes: means over readers.

        Films are named as `pneumoscore.server.reading.handover.write_handover` names them.
        """
        labels = {scale: labels_from_ratings(self.ratings, scale) for scale in SCALES}
        films = sorted(set().union(*labels.values()))
        return _csv(
            ("file", "patient", *SCALES),
            (
                (
                    f"{film}.png",
                    self.patients[film],
                    *(_text(labels[scale].get(film)) for scale in SCALES),
                )
                for film in films
            ),
        )

    def answers_csv(self) -> str:
        """Return every answer, pairs, reasons, comments and times included."""
        columns = (
            "reader",
            "position",
            "film",
            "other_film",
            "repeat",
            "extent_right",
            "extent_left",
            "opacity_right",
            "opacity_left",
            "change",
            "cannot_assess",
            "comment",
            "seconds",
        )
        return _csv(columns, ([_text(row[name]) for name in columns] for row in self.answers))


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(csv_line(row) for row in (header, *rows))


def read_results(records: Records, number: str) -> StudyResults:
    """Read what a study gave.

    Raises
    ------
    ReadingError
        If it is not locked: nobody sees a score before.
    """
    study = find_study(records, number)
    if study is None or study.state not in (StudyState.LOCKED, StudyState.UNBLINDED):
        raise ReadingError("the study is not locked", "a locked study")
    films = {film.id: film for film in study_films(records, number)}
    patients: dict[str, str] = {}
    numbers: dict[str, str] = {}
    for film in films.values():
        numbers.setdefault(film.patient, f"P{len(numbers) + 1:03d}")
        patients[film.code] = numbers[film.patient]
    answers = tuple(_answer(row, films) for row in _last_ratings(records, number))
    scored = [row for row in answers if row["other_film"] is None and row["cannot_assess"] is None]
    ratings, repeats = (
        tuple(
            _rating(row, scale, _again(row["reader"]) if again else row["reader"])
            for row in scored
            if row["repeat"] is again
            for scale in SCALES
        )
        for again in (False, True)
    )
    model = _model_values(films.values()) if study.state is StudyState.UNBLINDED else {}
    return StudyResults(ratings, repeats, patients, answers, model)


def _again(reader: str) -> str:
    """Return what the second readings of a reader are called."""
    return f"{reader}-2"


def _rating(row: Mapping[str, Any], scale: str, reader: str) -> Rating:
    prefix = SCALES[scale]
    return Rating(row["film"], reader, scale, row[f"{prefix}_right"], row[f"{prefix}_left"])


def _last_ratings(records: Records, number: str) -> list[Any]:
    statement = (
        select(
            reader_ratings,
            reader_items.c.position,
            reader_items.c.film_id,
            reader_items.c.other_film_id,
            reader_items.c.repeat,
            reader_study_readers.c.label,
        )
        .join(reader_items, reader_items.c.id == reader_ratings.c.item_id)
        .join(
            reader_study_readers,
            (reader_study_readers.c.study_id == reader_items.c.study_id)
            & (reader_study_readers.c.account_id == reader_items.c.account_id),
        )
        .where(reader_items.c.study_id == number)
        .order_by(reader_study_readers.c.label, reader_items.c.position, reader_ratings.c.number)
    )
    with records.reading() as connection:
        last = {row.item_id: row for row in connection.execute(statement)}
    return list(last.values())


def _answer(row: Any, films: Mapping[str, StudyFilm]) -> dict[str, Any]:
    other = row.other_film_id
    return {
        "reader": row.label,
        "position": row.position + 1,
        "film": films[row.film_id].code,
        "other_film": None if other is None else films[other].code,
        "repeat": bool(row.repeat),
        "extent_right": row.extent_right,
        "extent_left": row.extent_left,
        "opacity_right": row.opacity_right,
        "opacity_left": row.opacity_left,
        "change": row.change,
        "cannot_assess": row.cannot_assess,
        "comment": row.comment,
        "seconds": row.seconds,
    }


def _model_values(films: Iterable[StudyFilm]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for film in films:
        for scale, score in (film.model_scores or {}).get("scores", {}).items():
            found.setdefault(scale, {})[film.code] = float(score["value"])
    return found
