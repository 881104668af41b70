"""The folder of public radiographs that the figures of this project are computed from.

Its tables: ``cohen94.csv``, ``scored.csv``, ``cohen_metadata.csv``, ``hannover.csv``,
``masks.csv`` and ``other_views.csv``, each with the film folders it names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.cohort.collection import FRONTAL_VIEWS, collection_film, load_collection
from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.parsing import parse_label, parse_number, parse_sex, parse_view
from pneumoscore.cohort.tables import Row, read_table, require_columns
from pneumoscore.cohort.types import Cohort, CohortFilm
from pneumoscore.errors import UnreadableFileError

__all__ = [
    "FilmMask",
    "load_cohen94",
    "load_collection_visible",
    "load_hannover",
    "load_masks",
    "load_other_views",
    "load_scored",
    "read_mask",
]

_COHEN_TERMS = "covid-chestxray-dataset, per-film licences; scores CC BY-SA 4.0"


def _stem_index(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UnreadableFileError(f"no folder at {folder}", "the folder of the films")
    return {film_stem(path.name): path for path in sorted(folder.iterdir()) if path.is_file()}


def load_cohen94(data: Path) -> Cohort:
    """Load the 94 PA films of the paper: extent 0-8, opacity 0-6.

    From this project's folder, or from a clone of the covid-chestxray-dataset.
    """
    if not (data / "cohen94.csv").is_file() and (data / "metadata.csv").is_file():
        return replace(load_collection(data, scored_only=True), name="cohen94")
    rows = read_table(data / "cohen94.csv")
    require_columns(
        rows, ("filename", "patientid", "geographic_mean", "opacity_mean"), "cohen94.csv"
    )
    films = tuple(
        collection_film(
            row,
            row["filename"],
            data / "cohen94" / row["filename"],
            {
                "geographic_extent": parse_label(row["geographic_mean"]),
                "opacity": parse_label(row["opacity_mean"]),
            },
        )
        for row in rows
    )
    return Cohort("cohen94", films, _COHEN_TERMS)


def _metadata_by_stem(data: Path) -> dict[str, Row]:
    rows = read_table(data / "cohen_metadata.csv")
    require_columns(rows, ("filename", "patientid", "modality", "view"), "cohen_metadata.csv")
    return {film_stem(row["filename"]): row for row in rows}


def load_scored(data: Path) -> Cohort:
    """Load the further scored films: extent 0-8, opacity on the RALO scale 0-8.

    Sex, age and outcomes are those of the collection's metadata, where it has the film.
    """
    rows = read_table(data / "scored.csv")
    columns = ("file", "original", "source", "patientid", "view")
    require_columns(rows, (*columns, "geographic_extent", "opacity_0_8"), "scored.csv")
    metadata = _metadata_by_stem(data)
    films = []
    for row in rows:
        known = metadata.get(film_stem(row["original"]), {})
        films.append(
            collection_film(
                known | row,
                row["file"],
                data / "scored" / row["file"],
                {
                    "geographic_extent": parse_label(row["geographic_extent"]),
                    "opacity_ralo": parse_label(row["opacity_0_8"]),
                },
            )
        )
    return Cohort("scored", tuple(films), "covid-chestxray-dataset and Hannover; research use")


def load_collection_visible(data: Path) -> Cohort:
    """Load the collection's frontal films that have an image here, with their outcomes.

    Labels are those of the 94 and of the scored films; the others have none.
    """
    places = [
        _stem_index(data / "cohen94"),
        {
            film_stem(row["original"]): data / "scored" / row["file"]
            for row in read_table(data / "scored.csv")
        },
        _stem_index(data / "cohen_other"),
    ]
    labels = {
        film_stem(film.name): film.labels for film in (*load_cohen94(data), *load_scored(data))
    }
    films = []
    for stem, row in _metadata_by_stem(data).items():
        path = next((place[stem] for place in places if stem in place), None)
        frontal = row["modality"] == "X-ray" and parse_view(row["view"]) in FRONTAL_VIEWS
        if path is not None and frontal:
            name = f"{path.parent.name}/{path.name}"
            films.append(collection_film(row, name, path, labels.get(stem, {})))
    return Cohort("collection", tuple(films), _COHEN_TERMS)


def _days_after(cell: str) -> float | None:
    """Return the film's day from a cell that counts from the film to an event."""
    offset = parse_number(cell)
    return None if offset is None else 0.0 - offset


def load_hannover(data: Path) -> Cohort:
    """Load the Hannover stays.

    The offset is the film's day after admission; the table itself counts from the film to
    admission, so that earlier is negative. A stay without a day of ICU admission or of
    death counts as without that outcome.
    """
    rows = read_table(data / "hannover.csv")
    columns = ("patient_id", "image_id", "sex", "admission_offset", "projection")
    require_columns(rows, (*columns, "icu_admission_offset", "death_offset"), "hannover.csv")
    films = tuple(
        CohortFilm(
            name=f"{row['image_id']}.jpg",
            path=data / "hannover" / f"{row['image_id']}.jpg",
            patient=f"hannover-{row['patient_id']}",
            source="hannover",
            view=parse_view(row["projection"]),
            sex=parse_sex(row["sex"]),
            age_years=parse_number(row.get("age")),
            offset_days=_days_after(row["admission_offset"]),
            outcomes={
                "icu_admission": parse_number(row["icu_admission_offset"]) is not None,
                "death": parse_number(row["death_offset"]) is not None,
            },
        )
        for row in rows
    )
    return Cohort("hannover", films, "Hannover Medical School image repository, CC BY 3.0")


def load_other_views(data: Path) -> Cohort:
    """Load what must be refused: lateral films and CT slices (source ``X-ray`` or ``CT``)."""
    rows = read_table(data / "other_views.csv")
    require_columns(rows, ("file", "patientid", "modality", "view"), "other_views.csv")
    films = tuple(
        CohortFilm(
            name=row["file"],
            path=data / "other_views" / row["file"],
            patient=row["patientid"],
            source=row["modality"],
            view=parse_view(row["view"]),
        )
        for row in rows
    )
    return Cohort("other_views", films, _COHEN_TERMS)


@dataclass(frozen=True, slots=True)
class FilmMask:
    """A mask and the film it was drawn on.

    Attributes
    ----------
    path : Path
        Mask image; see `read_mask`.
    image : Path
        The film.
    original : str
        File name of the film in the collection.
    kind : {"findings", "lungs"}
        ``"findings"``: bits 1 right lung, 2 left lung, 4 ground glass, 8 consolidation;
        ``"lungs"``: 1 lung.
    """

    path: Path
    image: Path
    original: str
    kind: str


def load_masks(data: Path, kind: str) -> tuple[FilmMask, ...]:
    """List the masks of one kind, ``"findings"`` or ``"lungs"``."""
    rows = read_table(data / "masks.csv")
    require_columns(rows, ("file", "original", "image", "kind"), "masks.csv")
    folder = {"findings": "masks", "lungs": "lungs"}[kind]
    return tuple(
        FilmMask(data / folder / row["file"], data / row["image"], row["original"], kind)
        for row in rows
        if row["kind"] == kind
    )


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a mask's bits, shape (rows, columns); the mask covers the whole film."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L") if image.mode != "P" else image, dtype=np.uint8)
