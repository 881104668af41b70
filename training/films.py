"""Films as training arrays: the corpus archives and the film folders."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["CorpusRow", "FilmArrays", "corpus_films", "folder_films", "read_corpus_index"]


@dataclass(frozen=True, slots=True)
class CorpusRow:
    """One line of a corpus index.

    Attributes
    ----------
    archive, file : str
        Zip archive (without ``.zip``) and member name.
    findings : frozenset of str
        Names of the findings that the source states.
    patient : str
        Patient identifier, or the file itself where the source names none.
    view : str
        ``"PA"``, ``"AP"`` or empty.
    """

    archive: str
    file: str
    findings: frozenset[str]
    patient: str
    view: str


@dataclass(frozen=True, slots=True, eq=False)
class FilmArrays:
    """Films of one size, padded to a square.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, size, size)
        White = dense; padding 0.
    inside : ndarray of float32, shape (n, 4)
        Top, left, bottom and right end of the film in the square, in [0, 1].
    names : tuple of str
        One for each film.
    """

    pixels: NDArray[np.uint8]
    inside: NDArray[np.float32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: Sequence[int]) -> FilmArrays:
        """Return the films at `indices`."""
        chosen = np.asarray(indices, dtype=np.int64)
        return FilmArrays(
            self.pixels[chosen], self.inside[chosen], tuple(self.names[i] for i in chosen)
        )


def read_corpus_index(path: Path) -> list[CorpusRow]:
    """Read ``index.csv``: columns archive, file, labels (``|``-separated), patient, view."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            CorpusRow(
                archive=row["archive"],
                file=row["file"],
                findings=frozenset(filter(None, row["labels"].split("|"))),
                patient=row["patient"] or f"{row['archive']}/{row['file']}",
                view=row["view"] or "",
            )
            for row in csv.DictReader(file)
        ]


def _squared(pixels: NDArray[np.float32], size: int) -> tuple[NDArray[np.uint8], list[float]]:
    rows, columns = pixels.shape
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size), dtype=np.uint8)
    values = np.clip(np.asarray(resized) * 255 + 0.5, 0, 255).astype(np.uint8)
    square[top : top + height, left : left + width] = values
    return square, [top / size, left / size, (top + height) / size, (left + width) / size]


def _stack(
    names: Iterable[str],
    load: Callable[[str], NDArray[np.float32]],
    size: int,
) -> FilmArrays:
    names = tuple(names)
    pixels = np.zeros((len(names), size, size), dtype=np.uint8)
    inside = np.zeros((len(names), 4), dtype=np.float32)
    for index, name in enumerate(names):
        pixels[index], inside[index] = _squared(load(name), size)
    return FilmArrays(pixels, inside, names)


def corpus_films(folder: Path, archive: str, files: Sequence[str], size: int) -> FilmArrays:
    """Read films of one corpus archive.

    Parameters
    ----------
    folder : Path
        Folder of the archives.
    archive : str
        Name without ``.zip``.
    files : sequence of str
        Member names, in the order wanted.
    size : int
        Rows and columns of the squares.

    Returns
    -------
    FilmArrays
        Films in the order of `files`.
    """
    with zipfile.ZipFile(folder / f"{archive}.zip") as archive_file:

        def load(name: str) -> NDArray[np.float32]:
            with Image.open(io.BytesIO(archive_file.read(name))) as image:
                return np.asarray(image.convert("L"), dtype=np.float32) / 255.0

        return _stack(files, load, size)


def folder_films(data: Path, names: Sequence[str], size: int) -> FilmArrays:
    """Read films below a folder through the product's own reader."""
    from pneumoscore.radiograph.read import read_radiograph

    return _stack(names, lambda name: read_radiograph(data / name).pixels, size)
