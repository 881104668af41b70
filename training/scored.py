"""Films with readers' scores, on the scales that the network is trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pneumoscore.cohort.brixia import BRIXIA_ZONES, load_brixia
from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.tables import read_table
from pneumoscore.severity.scale import OPACITY, OPACITY_RALO, rescale_opacity

__all__ = [
    "ALIKE",
    "ScoredFilm",
    "brixia_shares",
    "brixia_zones",
    "folds_by_patient",
    "scored_films",
]

# Three films of patients 192 and 193 are hard to tell from films of 196 and 195: other exposures,
# perhaps of the same person.
ALIKE = (("196", "192"), ("195", "193"))


@dataclass(frozen=True, slots=True)
class ScoredFilm:
    """A film with a score.

    Attributes
    ----------
    name : str
        Path below the data folder.
    stem : str
        File name in the collection, without extension.
    patient : str
        Patient of the collection.
    source, view : str
        Where the film comes from; its projection.
    extent, opacity_ralo : float
        Geographic extent 0-8 and opacity (RALO) 0-8.
    rescaled : bool
        True if the scores are a Brixia rating brought to these ranges.
    """

    name: str
    stem: str
    patient: str
    source: str
    view: str
    extent: float
    opacity_ralo: float
    rescaled: bool = False


def folds_by_patient(films: Sequence[ScoredFilm], folds: int) -> dict[str, int]:
    """Return the cross-validation part of each patient; the parts hold about as many films.

    Patients come in the order of a hash of their number, each into the smallest part so far.
    Numbers that may be one patient's (`ALIKE`) stay together.

    Parameters
    ----------
    films : sequence of ScoredFilm
        All films of the cross-validation.
    folds : int
        Number of parts.
    """
    first = dict(ALIKE)
    joined = {film.patient: first.get(film.patient, film.patient) for film in films}
    counts = Counter(joined[film.patient] for film in films)

    def order(patient: str) -> str:
        return hashlib.sha256(f"pneumoscore fold {patient}".encode()).hexdigest()

    sizes = [0] * folds
    parts: dict[str, int] = {}
    for patient in sorted(counts, key=order):
        parts[patient] = sizes.index(min(sizes))
        sizes[parts[patient]] += counts[patient]
    return {patient: parts[first] for patient, first in joined.items()}


def scored_films(data: Path) -> list[ScoredFilm]:
    """Return all scored films below the data folder, the Brixia-rated ones among the others last.

    Parameters
    ----------
    data : Path
        Data folder.
    """
    films = [
        ScoredFilm(
            name=f"cohen94/{row['filename']}",
            stem=film_stem(row["filename"]),
            patient=row["patientid"],
            source="cohen94",
            view=row["view"],
            extent=float(row["geographic_mean"]),
            opacity_ralo=rescale_opacity(float(row["opacity_mean"]), OPACITY, OPACITY_RALO),
        )
        for row in read_table(data / "cohen94.csv")
    ]
    films += [
        ScoredFilm(
            name=f"scored/{row['file']}",
            stem=film_stem(row["original"]),
            patient=row["patientid"],
            source=row["source"],
            view=row["view"],
            extent=float(row["geographic_extent"]),
            opacity_ralo=float(row["opacity_0_8"]),
        )
        for row in read_table(data / "scored.csv")
    ]
    return films + _rated_films(data, {film.stem for film in films})


def _rated_films(data: Path, known: set[str]) -> list[ScoredFilm]:
    others = {film_stem(path.name): path.name for path in (data / "cohen_other").iterdir()}
    patients = {
        film_stem(row["filename"]): (row["patientid"], row["view"])
        for row in read_table(data / "cohen_metadata.csv")
    }
    films = []
    for row in read_table(data / "brixia.csv"):
        stem = film_stem(row["filename"])
        if stem in known or stem not in others:
            continue
        patient, view = patients.get(stem, (stem, ""))
        rating = (float(row["S-Global"]) + float(row["J-Global"])) / 2
        films.append(
            ScoredFilm(
                name=f"cohen_other/{others[stem]}",
                stem=stem,
                patient=patient,
                source="brixia",
                view=view,
                extent=rating * 8 / 18,
                opacity_ralo=rating * 8 / 18,
                rescaled=True,
            )
        )
    return sorted(films, key=lambda film: film.name)


def brixia_zones(data: Path) -> dict[str, list[float]]:
    """Return, by file stem, both readers' mean rating 0-3 of the six zones of a film."""
    tables = load_brixia(data / "brixia.csv")
    found: dict[str, list[float]] = {}
    for zone in BRIXIA_ZONES:
        table = tables[zone]
        for name, ratings in zip(table.films, table.values, strict=True):
            found.setdefault(film_stem(name), []).append(float(np.nanmean(ratings)))
    return found


def brixia_shares(data: Path) -> dict[str, float]:
    """Return, by file stem, the right lung's share of a film's Brixia rating (both readers)."""
    return {
        stem: sum(zones[:3]) / sum(zones)
        for stem, zones in brixia_zones(data).items()
        if sum(zones) > 0
    }
