"""The Brixia annotations of the collection: two radiologists, six zones of 0-3, sum 0-18.

Source: Signoroni et al. 2021, BS-Net (Medical Image Analysis 71: 102046), annotation of the
covid-chestxray-dataset; zones A to C are the right lung from the top, D to F the left.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pneumoscore.cohort.parsing import parse_label
from pneumoscore.cohort.ratings import RatingTable
from pneumoscore.cohort.tables import read_table, require_columns
from pneumoscore.errors import UnreadableFileError

__all__ = ["BRIXIA_MAXIMUM", "BRIXIA_READERS", "BRIXIA_ZONES", "load_brixia"]

BRIXIA_ZONES = ("A", "B", "C", "D", "E", "F")
BRIXIA_READERS = {"S": "senior", "J": "junior"}
BRIXIA_MAXIMUM = 18
_GLOBAL = "Global"


def load_brixia(path: Path) -> dict[str, RatingTable]:
    """Load the two radiologists' scores.

    Returns
    -------
    dict of str to RatingTable
        ``"A"`` to ``"F"`` (0-3 each) and ``"Global"`` (0-18), films by file name of the
        collection, readers ``senior`` and ``junior``.

    Raises
    ------
    UnreadableFileError
        If a column is missing, a score is out of range, or a sum is not that of its zones.
    """
    rows = read_table(path)
    items = (*BRIXIA_ZONES, _GLOBAL)
    columns = [f"{reader}-{item}" for reader in BRIXIA_READERS for item in items]
    require_columns(rows, ("filename", *columns), path.name)
    films = tuple(row["filename"] for row in rows)
    tables = {}
    for item in items:
        values = np.array(
            [
                [
                    np.nan if (value := parse_label(row[f"{reader}-{item}"])) is None else value
                    for reader in BRIXIA_READERS
                ]
                for row in rows
            ],
            dtype=np.float64,
        ).reshape(len(rows), len(BRIXIA_READERS))
        highest = BRIXIA_MAXIMUM if item == _GLOBAL else 3
        if ((values < 0) | (values > highest)).any():
            raise UnreadableFileError(
                f"{path.name} has scores outside the range in {item}", f"0 to {highest}"
            )
        tables[item] = RatingTable(item, films, tuple(BRIXIA_READERS.values()), values)
    sums = np.sum([tables[zone].values for zone in BRIXIA_ZONES], axis=0)
    wrong = np.abs(sums - tables[_GLOBAL].values) > 0.5
    if wrong.any():
        film = films[int(np.argwhere(wrong)[0, 0])]
        raise UnreadableFileError(
            f"{path.name} has {int(wrong.sum())} sums that are not the sum of their zones "
            f"(first: {film})",
            "Global = A + B + C + D + E + F",
        )
    return tables
