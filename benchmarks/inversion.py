"""Print how well inverted exports are told from films as they are.

Every frontal film of ``../shared/data`` is judged as it is and inverted. The mean film behind
`pneumoscore.radiograph.inversion.polarity` was made from the first four folders; the films of the
pre-training corpus (``--corpus``: so many of each archive) were not used for it.

    python benchmarks/inversion.py --corpus 1500
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pneumoscore.radiograph import read_radiograph
from pneumoscore.radiograph.inversion import looks_inverted, polarity

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDERS = ("cohen94", "scored", "cohen_other", "hannover")


def corpus_archives() -> list[Path]:
    """Return the corpus's archives of films; one holds masks of lungs."""
    archives = sorted((DATA / "corpus").glob("*.zip"))
    return [archive for archive in archives if not archive.stem.endswith("_lungs")]


def groups(corpus: int) -> Iterator[tuple[str, Iterator[Path | bytes]]]:
    """Give the name and the files of each group of films."""
    for folder in FOLDERS:
        yield folder, iter(sorted((DATA / folder).iterdir()))
    for archive in corpus_archives() if corpus else ():
        with zipfile.ZipFile(archive) as files:
            names = [name for name in files.namelist() if name.endswith((".jpg", ".png"))]
            chosen = names[:: max(1, len(names) // corpus)][:corpus]
            yield f"corpus {archive.stem}", (files.read(name) for name in chosen)


def confusion(sources: Iterator[Path | bytes]) -> tuple[int, int, int, float]:
    """Return films, films wrongly called inverted, inverted films missed, least polarity."""
    films, wrong, missed, least = 0, 0, 0, 1.0
    for source in sources:
        pixels = read_radiograph(source).pixels
        films += 1
        wrong += looks_inverted(pixels)
        missed += not looks_inverted(np.float32(1) - pixels)
        least = min(least, polarity(pixels))
    return films, wrong, missed, least


def main(argv: Sequence[str] | None = None) -> None:
    """Print one line for each group of films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=int, default=0, help="films of each archive (default 0)")
    options = parser.parse_args(argv)
    print(f"{'films':28}{'n':>6}{'wrongly inverted':>18}{'inverted missed':>17}{'least':>8}")
    for name, sources in groups(options.corpus):
        films, wrong, missed, least = confusion(sources)
        print(f"{name:28}{films:6}{wrong:18}{missed:17}{least:8.2f}")


if __name__ == "__main__":
    main()
