"""Cohorts by a word on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pneumoscore.cohort.checks import Fault, check_cohort, count_faults, refuse_faults
from pneumoscore.cohort.collection import load_collection
from pneumoscore.cohort.mapping import TORCHXRAYVISION, load_mapping, load_table
from pneumoscore.cohort.public import (
    load_cohen94,
    load_collection_visible,
    load_hannover,
    load_scored,
)
from pneumoscore.cohort.ralo import load_ralo
from pneumoscore.cohort.types import Cohort
from pneumoscore.errors import PneumoScoreError

__all__ = ["COHORTS", "checked", "open_cohort"]

_PUBLIC: Mapping[str, Callable[[Path], Cohort]] = {
    "cohen94": load_cohen94,
    "scored": load_scored,
    "collection": load_collection_visible,
    "hannover": load_hannover,
}
COHORTS = (*_PUBLIC, "covid-chestxray-dataset", "ralo")
"""Cohorts that have a name; anything else is the path of a table."""


def open_cohort(
    name: str,
    data: Path | None = None,
    images: Path | None = None,
    mapping: Path | None = None,
) -> Cohort:
    """Open a cohort by name or table.

    Parameters
    ----------
    name : str
        One of `COHORTS`, or the path of a CSV or Parquet table.
    data : Path, optional
        Folder of the named cohorts.
    images : Path, optional
        Folder of a table's films; default is the table's own.
    mapping : Path, optional
        Mapping of a table's columns (`pneumoscore.cohort.mapping`), or the word
        ``torchxrayvision``.

    Raises
    ------
    PneumoScoreError
        If the folder is not given, or the table cannot be read.
    """
    if name in COHORTS:
        if data is None:
            raise PneumoScoreError(
                f"cohort {name!r} needs the folder of its data", remedy="pass --data FOLDER"
            )
        if name == "covid-chestxray-dataset":
            return load_collection(data)
        return load_ralo(data) if name == "ralo" else _PUBLIC[name](data)
    table = Path(name)
    if not table.is_file():
        raise PneumoScoreError(
            f"{name!r} is neither a cohort nor a table",
            f"one of {', '.join(COHORTS)}, or a CSV or Parquet file",
        )
    chosen = None
    if mapping is not None:
        known = mapping == Path("torchxrayvision")
        chosen = TORCHXRAYVISION if known else load_mapping(mapping)
    return load_table(table, images or table.parent, chosen)


def checked(cohort: Cohort, allow_faults: bool) -> tuple[Cohort, tuple[str, ...]]:
    """Return a cohort without faults, and remarks on what was left out.

    Parameters
    ----------
    cohort : Cohort
        As loaded.
    allow_faults : bool
        Whether to leave the films with faults out; otherwise they are an error.

    Raises
    ------
    CohortError
        If there are faults and they are not allowed.
    """
    faults = check_cohort(cohort)
    if not allow_faults:
        refuse_faults(faults, cohort.name)
        return cohort, ()
    bad = _films_to_drop(cohort, faults)
    kept = cohort.where(lambda film: film.name not in bad)
    remarks = tuple(f"{count} x {kind}" for kind, count in count_faults(faults).items())
    if not remarks:
        return cohort, ()
    return kept, (f"{len(cohort) - len(kept)} films left out for faults: {', '.join(remarks)}",)


def _films_to_drop(cohort: Cohort, faults: tuple[Fault, ...]) -> set[str]:
    """Return the films of all faults; of a patient's equal films the first may stay."""
    bad: set[str] = set()
    for fault in faults:
        films = fault.films[1:] if fault.kind == "duplicate film" else fault.films
        bad.update(films)
    return bad
