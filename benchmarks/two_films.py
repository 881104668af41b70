"""How well two films in one picture are told from one film, on the public films.

Pairs are made here: each film beside, and above, another one drawn at random.
"""

from __future__ import annotations

import argparse
import random
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.errors import PneumoScoreError
from pneumoscore.radiograph import ReadOptions, read_radiograph
from pneumoscore.radiograph.two_films import holds_two_films

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
FOLDERS = ("scored", "cohen94", "cohen_other", "hannover")
SMALL = ReadOptions(least_side=64)


def folder_films() -> Iterator[NDArray[np.float32]]:
    """Give the frontal films of the four folders, at low resolution."""
    for folder in FOLDERS:
        for path in sorted((DATA / folder).iterdir()):
            try:
                yield read_radiograph(path, options=SMALL).pixels
            except PneumoScoreError:
                continue


def corpus_archives() -> list[Path]:
    """Return the corpus's archives of films; one holds masks of lungs."""
    archives = sorted((DATA / "corpus").glob("*.zip"))
    return [archive for archive in archives if not archive.stem.endswith("_lungs")]


def corpus_films(each: int) -> Iterator[NDArray[np.float32]]:
    """Give up to `each` films of every archive of the corpus."""
    for archive in corpus_archives() if each else ():
        with zipfile.ZipFile(archive) as files:
            names = [name for name in files.namelist() if name.endswith((".jpg", ".png"))]
            for name in names[:: max(1, len(names) // each)][:each]:
                try:
                    yield read_radiograph(files.read(name), options=SMALL).pixels
                except PneumoScoreError:
                    continue


def _high(pixels: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    columns = max(8, round(pixels.shape[1] * rows / pixels.shape[0]))
    image = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32)


def beside(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return two films side by side, as high as each other."""
    return np.concatenate([_high(one, 128), _high(other, 128)], axis=1)


def above(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one film above the other, as wide as each other."""
    return np.concatenate([_high(one.T, 128).T, _high(other.T, 128).T], axis=0)


def main(argv: Sequence[str] | None = None) -> None:
    """Print how many of each kind are called two films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=int, default=0, help="films of each archive (default 0)")
    options = parser.parse_args(argv)
    films = list(folder_films())
    rng = random.Random(0)
    others = [films[rng.randrange(len(films))] for _ in films]
    kinds = {
        "films of the four folders": films,
        "two side by side": [beside(*pair) for pair in zip(films, others, strict=True)],
        "one above the other": [above(*pair) for pair in zip(films, others, strict=True)],
    }
    if options.corpus:
        kinds["films of the corpus"] = list(corpus_films(options.corpus))
    print(f"{'':28}{'n':>6}{'called two':>12}")
    for name, pictures in kinds.items():
        print(f"{name:28}{len(pictures):6}{sum(map(holds_two_films, pictures)):12}")


if __name__ == "__main__":
    main()
