"""RALO: films of Stony Brook, each scored by two readers; opacity on 0-8.

Source: Stony Brook Medicine COVID-19 Positive Cases, Radiographic Assessment of Lung Opacity
Score Dataset, https://doi.org/10.5281/zenodo.4633999.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from pneumoscore.cohort.parsing import parse_label
from pneumoscore.cohort.tables import Row, read_table, require_columns
from pneumoscore.cohort.types import Cohort, CohortFilm

__all__ = ["load_ralo"]

_TABLE = "ralo-dataset-metadata.csv"
_IMAGES = "CXR_images_scored"
_COLUMNS = {
    "geographic_extent": ("Total GEOGRAPHIC", "Total GEOGRAPHIC.1"),
    "opacity_ralo": ("Total OPACITY", "Total OPACITY.1"),
}


def _labels(row: Row) -> dict[str, float]:
    """Mean of the readers that scored the film, by scale."""
    labels = {}
    for scale, columns in _COLUMNS.items():
        scores = [value for column in columns if (value := parse_label(row[column])) is not None]
        if scores:
            labels[scale] = statistics.fmean(scores)
    return labels


def load_ralo(folder: Path) -> Cohort:
    """Load the RALO data set from its folder.

    The table's first line groups the columns, its second names them; row n is the film
    ``CXR_images_scored/n.jpg``. All films are AP, as the authors state.

    Parameters
    ----------
    folder : Path
        With ``ralo-dataset-metadata.csv`` and ``CXR_images_scored/``.

    Raises
    ------
    UnreadableFileError
        If the table is missing or lacks a column.
    """
    rows = read_table(folder / _TABLE, skip_rows=1)
    require_columns(rows, ("Subject_ID", *(c for pair in _COLUMNS.values() for c in pair)), _TABLE)
    films = tuple(
        CohortFilm(
            name=f"{index}.jpg",
            path=folder / _IMAGES / f"{index}.jpg",
            patient=row["Subject_ID"].strip(),
            source="stony_brook",
            view="AP",
            labels=_labels(row),
        )
        for index, row in enumerate(rows)
    )
    return Cohort("RALO", films, "https://doi.org/10.5281/zenodo.4633999")
