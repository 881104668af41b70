"""Public films that no label taught a network, with their days: for errors and for series."""

from __future__ import annotations

import math
from pathlib import Path

from pneumoscore.cohort.parsing import parse_number, parse_view
from pneumoscore.cohort.public import load_cohen94, load_collection_visible, load_hannover
from pneumoscore.cohort.tables import Row, read_table
from pneumoscore.monitor.error_films import FilmPair, MeasuredFilm, near_pairs
from pneumoscore.severity.scale import OPACITY, OPACITY_RALO, rescale_opacity, scale_named

__all__ = ["UNFITTED", "out_of_fold_pairs", "series_rows", "unfitted_films"]

UNFITTED = (
    "public films that no network was fitted on by a label (the 94, and the series of 69 "
    "patients, some of whose films may lie unlabelled in a corpus)"
)


def series_rows(data: Path) -> list[Row]:
    """Return the rows of ``series.csv`` with a day."""
    return [row for row in read_table(data / "series.csv") if parse_number(row["day"]) is not None]


def out_of_fold_pairs(data: Path, predictions: Path) -> dict[str, list[FilmPair]]:
    """Return pairs of scored films of one patient and day, by networks that saw neither.

    Parameters
    ----------
    data : Path
        Folder of the public films.
    predictions : Path
        What ``python -m training out-of-fold`` wrote.

    Returns
    -------
    dict of str to list of FilmPair
        By scale.
    """
    place = _patients_and_days(data)
    found: dict[str, dict[Path, dict[str, float]]] = {}
    films: dict[Path, MeasuredFilm] = {}
    for row in read_table(predictions):
        path = Path(str(row["file"]))
        scale, value = scale_named(str(row["scale"])), float(str(row["prediction"]))
        if scale is OPACITY_RALO:
            value, scale = float(rescale_opacity(value, OPACITY_RALO, OPACITY)), OPACITY
        if path.stem in place:
            patient, day = place[path.stem]
            films[path] = MeasuredFilm(path, patient, day, parse_view(row["view"]))
            found.setdefault(scale.name, {})[path] = {scale.name: value}
    return {
        name: near_pairs(list(films.values()), scores, name, 0.0) for name, scores in found.items()
    }


def _patients_and_days(data: Path) -> dict[str, tuple[str, float]]:
    """Return patient and day of the collection's and Hannover's films, by the file's stem."""
    found = {}
    for film in (*load_collection_visible(data), *load_hannover(data)):
        if film.offset_days is not None:
            found[Path(film.name).stem] = (film.patient, film.offset_days)
    return found


def unfitted_films(data: Path) -> list[MeasuredFilm]:
    """Return the 94, of which some have no day, and the series by day.

    No label of them was used, and their files are in no stream of the training; some films of
    the series may lie, without label, among the unlabelled films of the corpus.
    """
    films = [
        MeasuredFilm(
            film.path,
            f"cohen {film.patient}",
            math.nan if film.offset_days is None else film.offset_days,
            film.view,
        )
        for film in load_cohen94(data)
    ]
    for row in series_rows(data):
        day = parse_number(row["day"])
        if day is not None:
            path = data / "series" / str(row["file"])
            films.append(MeasuredFilm(path, str(row["patient"]), day, parse_view(row["view"])))
    return films
