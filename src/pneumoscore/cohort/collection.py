"""The covid-chestxray-dataset: as its authors publish it, and its tables on their own.

Source: Cohen et al. 2020, COVID-19 Image Data Collection (arXiv 2006.11988); severity scores
of Cohen et al. 2020 (arXiv 2005.11856), CC BY-SA 4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.parsing import (
    parse_label,
    parse_number,
    parse_sex,
    parse_text,
    parse_view,
    parse_yes_no,
)
from pneumoscore.cohort.tables import Row, read_table, require_columns
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import UnreadableFileError

__all__ = [
    "FRONTAL_VIEWS",
    "collection_film",
    "collection_outcomes",
    "load_collection",
    "patients_by_film",
]

FRONTAL_VIEWS = ("PA", "AP", "AP Supine", "AP semi erect", "AP Erect")
_SCORES = Path("annotations") / "covid-severity-scores.csv"
_TERMS = "covid-chestxray-dataset, films under the licences of its table; scores CC BY-SA 4.0"


def collection_outcomes(row: Row) -> dict[str, bool]:
    """Return the outcomes that a row of the collection's metadata states.

    ``icu_admission`` (went_icu), ``in_icu``, ``intubation`` (intubated),
    ``supplemental_oxygen`` (needed_supplemental_O2) and ``death`` (survival, negated).
    """
    survival = parse_yes_no(row.get("survival"))
    stated = {
        "icu_admission": parse_yes_no(row.get("went_icu")),
        "in_icu": parse_yes_no(row.get("in_icu")),
        "intubation": parse_yes_no(row.get("intubated")),
        "supplemental_oxygen": parse_yes_no(row.get("needed_supplemental_O2")),
        "death": None if survival is None else not survival,
    }
    return {name: value for name, value in stated.items() if value is not None}


def collection_film(
    row: Row, name: str, path: Path, labels: Mapping[str, float | None] | None = None
) -> CohortFilm:
    """Return the film of one row of the collection's metadata.

    Parameters
    ----------
    row : Row
        Columns as in ``metadata.csv``.
    name : str
        Name of the film in its cohort.
    path : Path
        Its image file.
    labels : mapping of str to float or None, optional
        Label by scale name; None is left out.
    """
    return CohortFilm(
        name=name,
        path=path,
        patient=(row.get("patientid") or "").strip(),
        source=parse_text(row.get("source")) or "cohen",
        view=parse_view(row.get("view")),
        sex=parse_sex(row.get("sex")),
        age_years=parse_number(row.get("age")),
        offset_days=parse_number(row.get("offset")),
        labels={key: value for key, value in (labels or {}).items() if value is not None},
        outcomes=collection_outcomes(row),
    )


def load_collection(folder: Path, scored_only: bool = False) -> Cohort:
    """Load the frontal radiographs of a covid-chestxray-dataset folder.

    Parameters
    ----------
    folder : Path
        A clone with ``metadata.csv``, ``images/`` and
        ``annotations/covid-severity-scores.csv``.
    scored_only : bool, optional
        Whether to keep only films with severity scores (the 94 of the paper), by name.

    Raises
    ------
    UnreadableFileError
        If a table is missing or lacks a column, or a scored film is not in ``metadata.csv``.
    """
    rows = read_table(folder / "metadata.csv")
    require_columns(rows, ("patientid", "filename", "modality", "view"), "metadata.csv")
    scores = read_table(folder / _SCORES)
    require_columns(scores, ("filename", "geographic_mean", "opacity_mean"), _SCORES.name)
    labels = {
        row["filename"]: {
            "geographic_extent": parse_label(row["geographic_mean"]),
            "opacity": parse_label(row["opacity_mean"]),
        }
        for row in scores
    }
    films = {
        name: collection_film(
            row, name, folder / (row.get("folder") or "images") / name, labels.get(name)
        )
        for row in rows
        if row["modality"] == "X-ray" and parse_view(row["view"]) in FRONTAL_VIEWS
        for name in (row["filename"],)
    }
    if absent := sorted(set(labels) - set(films)):
        raise UnreadableFileError(
            f"{len(absent)} scored films are no frontal films of metadata.csv (first: {absent[0]})",
            f"a clone with every film of {_SCORES}",
        )
    kept = [films[name] for name in sorted(labels)] if scored_only else list(films.values())
    return Cohort("covid-chestxray-dataset", tuple(kept), _TERMS)


def patients_by_film(folder: Path) -> dict[str, str]:
    """Return the patient of each film of the collection, by its name without suffix.

    Parameters
    ----------
    folder : Path
        With ``metadata.csv``, or ``cohen_metadata.csv`` for the part of the collection that
        this project's figures come from.
    """
    own = folder / "cohen_metadata.csv"
    rows = read_table(own if own.is_file() else folder / "metadata.csv")
    require_columns(rows, ("patientid", "filename"), "the collection's metadata")
    return {film_stem(row["filename"]): row["patientid"].strip() for row in rows}
