"""Reader studies from tables: ratings of a site, or the Brixia readers of the collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pneumoscore.cohort.brixia import BRIXIA_MAXIMUM, load_brixia
from pneumoscore.cohort.collection import patients_by_film
from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.parsing import parse_number
from pneumoscore.cohort.ratings import RatingTable, load_ratings
from pneumoscore.cohort.tables import read_table, require_columns
from pneumoscore.errors import PneumoScoreError
from pneumoscore.present.table import Table, write_json, write_table
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.study.agreement import (
    Agreement,
    agreement_table,
    interchange_table,
    measure_agreement,
    pair_table,
)

__all__ = ["brixia_agreement", "ratings_agreement", "write_agreement"]

_MODEL = "model"


def _model_scores(path: Path) -> dict[str, dict[str, float]]:
    """Return predictions by scale and file; no labels are needed."""
    rows = read_table(path)
    require_columns(rows, ("file", "scale", "prediction"), path.name)
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        value = parse_number(row["prediction"])
        if value is not None:
            found.setdefault(row["scale"], {})[row["file"]] = value
    return found


def brixia_agreement(
    data: Path,
    brixia: Path,
    predictions: Path | None = None,
    tolerance: float = 1.0,
    repeats: int = 1000,
) -> tuple[Agreement, ...]:
    """Measure the two Brixia readers on each zone and on the sum.

    Parameters
    ----------
    data : Path
        Folder whose metadata names the films' patients (`patients_by_film`).
    brixia : Path
        The Brixia annotations of the collection.
    predictions : Path, optional
        A model's geographic extent, put on 0-18 by the factor 18/8 as one more reader of the
        sum; film names are compared without folder and extension.
    tolerance : float, optional
        In points of the extent; scaled with it.
    repeats : int, optional
        Draws of the bootstrap over patients.
    """
    tables = load_brixia(brixia)
    patients = patients_by_film(data)
    films = next(iter(tables.values())).films
    by_film = {film: patients[film_stem(film)] for film in films if film_stem(film) in patients}
    factor = BRIXIA_MAXIMUM / GEOGRAPHIC_EXTENT.high
    found = []
    for item, table in tables.items():
        model = None
        if predictions is not None and item == "Global":
            scores = _model_scores(predictions).get(GEOGRAPHIC_EXTENT.name, {})
            by_stem = {film_stem(name): value * factor for name, value in scores.items()}
            known = {film: by_stem[film_stem(film)] for film in films if film_stem(film) in by_stem}
            if not known:
                raise PneumoScoreError(
                    f"{predictions.name} has no geographic extent of a film that Brixia scored",
                    "films of the collection under their own names",
                )
            table = _scored_by_both(table, known)
            model = _MODEL
        found.append(measure_agreement(table, by_film, model, tolerance * factor, repeats))
    return tuple(found)


def _scored_by_both(table: RatingTable, scores: dict[str, float]) -> RatingTable:
    """Keep the films that the model scored, and add it as a reader."""
    kept = [index for index, film in enumerate(table.films) if film in scores]
    films = tuple(table.films[index] for index in kept)
    part = RatingTable(table.item, films, table.readers, table.values[kept])
    return part.with_reader(_MODEL, scores)


def ratings_agreement(
    ratings: Path, predictions: Path | None = None, tolerance: float = 1.0, repeats: int = 1000
) -> tuple[Agreement, ...]:
    """Measure the readers of a site, scale by scale.

    Parameters
    ----------
    ratings : Path
        Table as `pneumoscore.cohort.ratings.load_ratings` reads it; a column ``patient`` may
        be added, without it each film counts as a patient.
    predictions : Path, optional
        A model's scores as one more reader: columns ``file``, ``scale``, ``prediction``.
    tolerance : float, optional
        Difference up to which two scores agree.
    repeats : int, optional
        Draws of the bootstrap over patients.

    Raises
    ------
    PneumoScoreError
        If no scale has two readers with films of two patients in common.
    """
    found_ratings = load_ratings(ratings)
    patients = {
        row["file"]: row["patient"] for row in read_table(ratings) if row.get("patient", "").strip()
    }
    scores = {} if predictions is None else _model_scores(predictions)
    found = []
    for scale in dict.fromkeys(rating.scale for rating in found_ratings):
        table = RatingTable.of(found_ratings, scale)
        model = None
        if scores.get(scale, {}).keys() & set(table.films):
            table, model = _scored_by_both(table, scores[scale]), _MODEL
        found.append(measure_agreement(table, patients, model, tolerance, repeats))
    if not any(_MODEL not in pair for item in found for pair in item.pairs):
        why = "; ".join(words for item in found for words in item.left_out)
        raise PneumoScoreError(
            f"the ratings cannot be compared ({why or 'no scores'})",
            "on one scale at least, two readers with films of two patients in common",
        )
    return tuple(found)


def write_agreement(agreements: Sequence[Agreement], out: Path) -> list[Table]:
    """Write tables and numbers below `out`, return the tables."""
    tables = [agreement_table(agreements, "Agreement of the readers"), pair_table(agreements)]
    names = ["agreement", "pairs"]
    if any(item.interchange for item in agreements):
        tables.append(interchange_table(agreements))
        names.append("interchangeability")
    for name, table in zip(names, tables, strict=True):
        write_table(out / "tables", name, table)
    write_json(
        out / "numbers.json",
        {"notice": RESEARCH_NOTICE, "items": [item.as_dict() for item in agreements]},
    )
    return tables
