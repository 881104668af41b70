"""Films as training arrays: the corpus archives and the film folders."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.backbone.lungs import prepare_film
from pneumoscore.radiograph.types import InputSpec, PixelRange, Placement, Radiograph, Squaring

__all__ = [
    "CorpusRow",
    "FilmArrays",
    "corpus_films",
    "folder_films",
    "placed_masks",
    "read_corpus_index",
    "unit_spec",
]


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
    """Films as squares of one size.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, size, size)
        White = dense; padding 0.
    inside : ndarray of float32, shape (n, 4)
        Top, left, bottom and right end of the film in the square, in [0, 1].
    names : tuple of str
        One for each film.
    placements : tuple of Placement
        Where each film lies in its square; empty if nobody asks.
    """

    pixels: NDArray[np.uint8]
    inside: NDArray[np.float32]
    names: tuple[str, ...]
    placements: tuple[Placement, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: Sequence[int]) -> FilmArrays:
        """Return the films at `indices`."""
        chosen = np.asarray(indices, dtype=np.int64)
        return FilmArrays(
            self.pixels[chosen],
            self.inside[chosen],
            tuple(self.names[i] for i in chosen),
            tuple(self.placements[i] for i in chosen) if self.placements else (),
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


def _stack(names: Iterable[str], load: Callable[[str], Radiograph], spec: InputSpec) -> FilmArrays:
    names = tuple(names)
    size = spec.size
    pixels = np.zeros((len(names), size, size), dtype=np.uint8)
    placements = []
    for index, name in enumerate(names):
        prepared = prepare_film(load(name), spec)
        pixels[index] = np.clip(prepared.array[0] * 255 + 0.5, 0, 255).astype(np.uint8)
        placements.append(prepared.placement)
    inside = np.array([_inside(place) for place in placements], dtype=np.float32).reshape(-1, 4)
    return FilmArrays(pixels, inside, names, tuple(placements))


def _inside(placement: Placement) -> list[float]:
    size = placement.input_size
    rows, columns = placement.film_shape
    top, left = placement.top, placement.left
    ends = (top, left, top + rows * placement.scale, left + columns * placement.scale)
    return [min(max(end / size, 0.0), 1.0) for end in ends]


def unit_spec(spec: InputSpec, size: int | None = None, wider: float = 1.0) -> InputSpec:
    """Return the same view of a film as plain grey values, for films that are changed later.

    Parameters
    ----------
    spec : InputSpec
        Of a network.
    size : int, optional
        Rows and columns, if not the network's.
    wider : float, optional
        How many times wider a frame around the lungs is shown.
    """
    return replace(
        spec,
        size=size or spec.size,
        pixel_range=PixelRange.UNIT,
        margin=spec.margin * wider if spec.squaring is Squaring.LUNGS else spec.margin,
    )


def corpus_films(folder: Path, archive: str, files: Sequence[str], spec: InputSpec) -> FilmArrays:
    """Read films of one corpus archive.

    Parameters
    ----------
    folder : Path
        Folder of the archives.
    archive : str
        Name without ``.zip``.
    files : sequence of str
        Member names, in the order wanted.
    spec : InputSpec
        How they become squares, with ``PixelRange.UNIT``.

    Returns
    -------
    FilmArrays
        Films in the order of `files`.
    """
    with zipfile.ZipFile(folder / f"{archive}.zip") as archive_file:

        def load(name: str) -> Radiograph:
            with Image.open(io.BytesIO(archive_file.read(name))) as image:
                return Radiograph(
                    np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
                )

        return _stack(files, load, spec)


def folder_films(
    data: Path, names: Sequence[str], spec: InputSpec, *, whole: bool = False
) -> FilmArrays:
    """Read films below a folder through the product's own reader.

    Parameters
    ----------
    data : Path
        The folder.
    names : sequence of str
        Paths below it.
    spec : InputSpec
        How they become squares, with ``PixelRange.UNIT``.
    whole : bool, optional
        Keep even borders, so that a mask of the whole file lies on the film (`placed_masks`).
    """
    from pneumoscore.radiograph.limits import ReadOptions
    from pneumoscore.radiograph.read import read_radiograph

    options = ReadOptions(trim=not whole)
    return _stack(names, lambda name: read_radiograph(data / name, options=options), spec)


def placed_masks(paths: Sequence[Path], films: FilmArrays) -> NDArray[np.uint8]:
    """Read masks of whole films, and lay them where the films lie in their squares.

    Parameters
    ----------
    paths : sequence of Path
        One mask for each film, of any size.
    films : FilmArrays
        n films, read whole (`folder_films`).

    Returns
    -------
    ndarray of uint8, shape (n, size, size)
        Values of the masks, 0 outside the film.
    """
    size = films.pixels.shape[-1]
    masks = np.zeros((len(paths), size, size), dtype=np.uint8)
    centres = np.arange(size) + 0.5
    for index, (path, placement) in enumerate(zip(paths, films.placements, strict=True)):
        with Image.open(path) as image:
            mask = np.asarray(image, dtype=np.uint8)
        lines = []
        for axis, start in ((0, placement.top), (1, placement.left)):
            share = (centres - start) / (placement.scale * placement.film_shape[axis])
            lines.append(np.floor(share * mask.shape[axis]).astype(np.int64))
        rows, columns = lines
        known = ((rows >= 0) & (rows < mask.shape[0]))[:, None] & (
            (columns >= 0) & (columns < mask.shape[1])
        )[None]
        shown = mask[np.ix_(rows.clip(0, mask.shape[0] - 1), columns.clip(0, mask.shape[1] - 1))]
        masks[index] = np.where(known, shown, 0)
    return masks
