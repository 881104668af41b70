"""Which films of the data folder show the film of a scored patient.

The answer is listed once in ``barred_films.csv`` (`training.leakage`); finding it takes minutes.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.cohort.film_names import film_stem
from pneumoscore.files import write_atomically
from training.film_matching import FilmIndex, film_features
from training.leakage import COLUMNS, SameFilm, bar_test_films

__all__ = [
    "FILM_FOLDERS",
    "find_same_films",
    "grey_pixels",
    "images_of",
    "known_films",
    "scored_index",
    "write_same_films",
]

FILM_FOLDERS = ("cohen94", "scored", "cohen_other", "hannover", "ordinal", "series")
_KNOWN = ("cohen94", "scored", "cohen_other", "hannover", "ordinal")
_DRAFT = (640, 640)


def grey_pixels(file: Path | io.BytesIO) -> NDArray[np.float32]:
    """Read an image as grey values in [0, 1], small where the format can."""
    with Image.open(file) as image:
        image.draft("L", _DRAFT)
        if image.mode.startswith("I"):
            values = np.asarray(image, dtype=np.float32)
            low, high = float(values.min()), float(values.max())
            return np.asarray((values - low) / max(high - low, 1e-6), dtype=np.float32)
        grey = image.convert("RGBA").convert("L") if image.mode == "P" else image.convert("L")
        return np.asarray(grey, dtype=np.float32) / np.float32(255)


def images_of(data: Path, source: str) -> Iterator[tuple[str, Path | io.BytesIO]]:
    """Yield the images of a film folder or corpus archive, with their names.

    Parameters
    ----------
    data : Path
        Data folder.
    source : str
        One of `FILM_FOLDERS`, or an archive of the corpus without ``.zip``.
    """
    if source in FILM_FOLDERS:
        for path in sorted((data / source).iterdir()):
            yield f"{source}/{path.name}", path
        return
    with zipfile.ZipFile(data / "corpus" / f"{source}.zip") as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                yield f"{source}/{name}", io.BytesIO(archive.read(name))


def known_films(data: Path) -> list[str]:
    """Return the frontal films that the tables alone bar: of scored patients, by number."""
    by_number = {
        name
        for folder in ("cohen94", "scored")
        for name in bar_test_films(data, folder, matches=()).reasons
    }
    return sorted(name for name in by_number if name.split("/")[0] in _KNOWN)


def scored_index(data: Path, names: Iterable[str] | None = None) -> FilmIndex:
    """Return an index of the films of scored patients (`known_films` by default)."""
    chosen = known_films(data) if names is None else list(names)
    return FilmIndex(chosen, [film_features(grey_pixels(data / name)) for name in chosen])


def find_same_films(
    data: Path,
    sources: Iterable[str],
    index: FilmIndex,
    on_image: Callable[[str], None] | None = None,
) -> list[SameFilm]:
    """Compare every image of some sources with the films of scored patients.

    Parameters
    ----------
    data : Path
        Data folder.
    sources : iterable of str
        As `images_of` takes them.
    index : FilmIndex
        Of the known films.
    on_image : callable, optional
        Called with the name of each image done.

    Returns
    -------
    list of SameFilm
        The surest match of each image, by name. Images that the tables bar already are left
        out, except where two scored films show the same.
    """
    barred = set(known_films(data))
    found = []
    for source in sources:
        for name, file in images_of(data, source):
            known = name in barred and not name.startswith(("scored/", "cohen94/"))
            if not known:
                others = [
                    match
                    for match in index.matches(grey_pixels(file))
                    if film_stem(match.name) != film_stem(name)
                ]
                if others:
                    best = others[0]
                    found.append(SameFilm(name, best.name, best.inliers, best.mirrored))
            if on_image is not None:
                on_image(name)
    return sorted(found, key=lambda match: match.image)


def write_same_films(matches: Iterable[SameFilm], path: Path) -> None:
    """Write the table that `training.leakage.known_matches` reads."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (match.image, match.shows, match.inliers, "yes" if match.mirrored else "no")
        for match in matches
    )
    write_atomically(path, stream.getvalue().encode())
