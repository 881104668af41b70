"""Ratings: several readers' scores of radiographs, and the label they give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.cohort.parsing import parse_label
from pneumoscore.cohort.tables import read_table, require_columns
from pneumoscore.errors import UnreadableFileError
from pneumoscore.severity.scale import scale_named

__all__ = ["LUNG_MAXIMUM", "Rating", "RatingTable", "labels_from_ratings", "load_ratings"]

LUNG_MAXIMUM = {"geographic_extent": 4, "opacity": 3, "opacity_ralo": 4}
"""Largest score of one lung; both lungs added give the scale."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One reader's score of one radiograph on one scale.

    Attributes
    ----------
    film, reader, scale : str
        What was scored, by whom, on which scale.
    right, left : float or None
        Scores of the patient's right and left lung; None where the reader gave none.
    """

    film: str
    reader: str
    scale: str
    right: float | None
    left: float | None

    def __post_init__(self) -> None:
        scale_named(self.scale)
        highest = LUNG_MAXIMUM[self.scale]
        for side, value in (("right", self.right), ("left", self.left)):
            if value is not None and not 0 <= value <= highest:
                raise UnreadableFileError(
                    f"reader {self.reader!r} gave the {side} lung of {self.film} "
                    f"{value:g} on {self.scale}",
                    f"0 to {highest}",
                    "correct the rating",
                )

    @property
    def total(self) -> float | None:
        """Both lungs added; None unless both were scored."""
        return None if self.right is None or self.left is None else self.right + self.left


@dataclass(frozen=True, slots=True, eq=False)
class RatingTable:
    """Scores of the same films by several readers.

    Attributes
    ----------
    item : str
        What was scored: a scale, a zone.
    films, readers : tuple of str
        Rows and columns.
    values : ndarray of float, shape (films, readers)
        Scores; NaN where a reader gave none.
    """

    item: str
    films: tuple[str, ...]
    readers: tuple[str, ...]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.films), len(self.readers)):
            raise ValueError(
                f"values have shape {self.values.shape}; "
                f"expected ({len(self.films)}, {len(self.readers)})"
            )

    @classmethod
    def of(cls, ratings: Iterable[Rating], scale: str) -> RatingTable:
        """Gather the totals of `ratings` on one scale."""
        kept = [rating for rating in ratings if rating.scale == scale]
        films = tuple(dict.fromkeys(rating.film for rating in kept))
        readers = tuple(dict.fromkeys(rating.reader for rating in kept))
        values = np.full((len(films), len(readers)), np.nan)
        rows = {film: index for index, film in enumerate(films)}
        columns = {reader: index for index, reader in enumerate(readers)}
        for rating in kept:
            if rating.total is not None:
                values[rows[rating.film], columns[rating.reader]] = rating.total
        return cls(scale, films, readers, values)

    def with_reader(self, reader: str, scores: dict[str, float]) -> RatingTable:
        """Return the table with one more reader; NaN where `scores` has no film."""
        column = np.array([scores.get(film, np.nan) for film in self.films])
        return RatingTable(
            self.item,
            self.films,
            (*self.readers, reader),
            np.column_stack([self.values, column]),
        )


def labels_from_ratings(
    ratings: Sequence[Rating], scale: str, least_readers: int = 1
) -> dict[str, float]:
    """Return each film's label: the mean of its readers' totals.

    Parameters
    ----------
    ratings : sequence of Rating
        Any readers, any films; a total counts only when both lungs were scored.
    scale : str
        Which scale to label.
    least_readers : int, optional
        Films with fewer totals get no label.
    """
    table = RatingTable.of(ratings, scale)
    counts = np.isfinite(table.values).sum(axis=1)
    enough = counts >= max(least_readers, 1)
    return {
        film: float(np.nanmean(row))
        for film, row, keep in zip(table.films, table.values, enough, strict=True)
        if keep
    }


def load_ratings(path: Path) -> tuple[Rating, ...]:
    """Read ratings from a CSV or Parquet table.

    Columns: ``file``, ``reader``, ``scale``, ``right``, ``left``; empty scores are missing.

    Raises
    ------
    UnreadableFileError
        If a column is missing, a score is outside its range, or one reader scored one film
        twice on one scale.
    """
    rows = read_table(path)
    require_columns(rows, ("file", "reader", "scale", "right", "left"), path.name)
    ratings = tuple(
        Rating(
            row["file"],
            row["reader"],
            row["scale"],
            parse_label(row["right"]),
            parse_label(row["left"]),
        )
        for row in rows
    )
    seen: set[tuple[str, str, str]] = set()
    for rating in ratings:
        key = (rating.film, rating.reader, rating.scale)
        if key in seen:
            raise UnreadableFileError(
                f"reader {rating.reader!r} scored {rating.film} twice on {rating.scale}",
                "one row for each film, reader and scale",
                "give repeated readings a reader name of their own (reader-2)",
            )
        seen.add(key)
    return ratings
