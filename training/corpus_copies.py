"""Corpus films that show a patient of the 94 or of the other scored films.

The corpus of COVID-19 films comes cleared of copies of scored films, but not of other films of
the same patients. Such films are found by their likeness to any film that is barred, and listed
in ``corpus_copies.csv`` beside this module; finding them takes minutes.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from pneumoscore.cohort.leakage import LOOK_ALIKE_CORRELATION, best_correlations, thumbnail
from pneumoscore.files import write_atomically
from training.films import CorpusRow

__all__ = [
    "CorpusCopy",
    "find_corpus_copies",
    "known_corpus_copies",
    "without_copies",
    "write_corpus_copies",
]

_TABLE = "corpus_copies.csv"
_COLUMNS = ("film", "like", "correlation")
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class CorpusCopy:
    """A corpus film that looks like a barred one.

    Attributes
    ----------
    film : str
        ``archive/file`` of the corpus.
    like : str
        The barred film that it resembles most, below the data folder.
    correlation : float
        Of their fine structure (`pneumoscore.cohort.leakage.best_correlations`).
    """

    film: str
    like: str
    correlation: float


def find_corpus_copies(
    data: Path,
    archive: str,
    barred: Iterable[str],
    on_film: Callable[[int, int], None] | None = None,
) -> list[CorpusCopy]:
    """Compare every film of a corpus archive with every barred film.

    Parameters
    ----------
    data : Path
        Data folder.
    archive : str
        Corpus archive, without ``.zip``.
    barred : iterable of str
        Films below `data`.
    on_film : callable, optional
        Called with the number of barred films done and of all.

    Returns
    -------
    list of CorpusCopy
        Films at or above `LOOK_ALIKE_CORRELATION`, by name.
    """
    names = sorted(barred)
    with zipfile.ZipFile(data / "corpus" / f"{archive}.zip") as archive_file:
        files = sorted(name for name in archive_file.namelist() if not name.endswith("/"))
        corpus = np.stack([thumbnail(io.BytesIO(archive_file.read(name))) for name in files])
    best = np.zeros(len(files), dtype=np.float32)
    like = np.zeros(len(files), dtype=np.int64)
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        found = best_correlations(np.stack([thumbnail(data / name) for name in part]), corpus)
        closer = found.max(0) > best
        best[closer] = found.max(0)[closer]
        like[closer] = start + found.argmax(0)[closer]
        if on_film is not None:
            on_film(start + len(part), len(names))
    return [
        CorpusCopy(f"{archive}/{files[row]}", names[like[row]], float(best[row]))
        for row in np.flatnonzero(best >= LOOK_ALIKE_CORRELATION).tolist()
    ]


def write_corpus_copies(copies: Iterable[CorpusCopy], path: Path) -> None:
    """Write the table that `known_corpus_copies` reads."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((copy.film, copy.like, f"{copy.correlation:.3f}") for copy in copies)
    write_atomically(path, stream.getvalue().encode())


def without_copies(rows: Iterable[CorpusRow]) -> list[CorpusRow]:
    """Return the lines of a corpus index whose films are not listed, in order."""
    copies = known_corpus_copies()
    return [row for row in rows if f"{row.archive}/{row.file}" not in copies]


def known_corpus_copies() -> frozenset[str]:
    """Return the listed films, ``archive/file``."""
    text = resources.files("training").joinpath(_TABLE).read_text("utf-8")
    return frozenset(row["film"] for row in csv.DictReader(io.StringIO(text)))
