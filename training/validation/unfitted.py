"""Public films that no network was fitted on, with their days: for errors and for series."""

from __future__ import annotations

from pathlib import Path

from pneumoscore.cohort.parsing import parse_number, parse_view
from pneumoscore.cohort.public import load_cohen94
from pneumoscore.cohort.tables import Row, read_table
from pneumoscore.monitor.error_fitting import MeasuredFilm

__all__ = ["UNFITTED", "series_rows", "unfitted_films"]

UNFITTED = "public films that no network was fitted on (the 94, and the series of 69 patients)"


def series_rows(data: Path) -> list[Row]:
    """Return the rows of ``series.csv`` with a day."""
    return [row for row in read_table(data / "series.csv") if parse_number(row["day"]) is not None]


def unfitted_films(data: Path) -> list[MeasuredFilm]:
    """Return the 94 and the series by day.

    No label of them was used, and their files are in no stream of the training; some films of
    the series may lie, without label, among the unlabelled films of the corpus.
    """
    films = [
        MeasuredFilm(film.path, f"cohen {film.patient}", film.offset_days or 0.0, film.view)
        for film in load_cohen94(data)
    ]
    for row in series_rows(data):
        day = parse_number(row["day"])
        if day is not None:
            path = data / "series" / str(row["file"])
            films.append(MeasuredFilm(path, str(row["patient"]), day, parse_view(row["view"])))
    return films
