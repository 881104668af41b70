"""Print how well a film is told again in a copy, and from every other film.

A copy is a film inverted, mirrored, or changed as `pneumoscore.monitor.film_changes` changes it.
What `pneumoscore.server.films.likeness` calls alike is withheld from who reads the film blinded.

    python benchmarks/likeness.py --films 150
"""

from __future__ import annotations

import argparse
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np

from pneumoscore.monitor.film_changes import CHANGES, change_film
from pneumoscore.present.table import Table
from pneumoscore.radiograph import read_radiograph
from pneumoscore.server.films.likeness import alike, likeness

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOLDERS = ("cohen94", "hannover", "series")


def main() -> None:
    """Print the share of copies that are told, and the pairs of films taken for one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=150)
    wanted = parser.parse_args().films
    paths = [path for folder in FOLDERS for path in sorted((DATA / folder).iterdir())]
    paths = [path for path in paths if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".dcm")]
    chosen = paths[:: max(1, len(paths) // wanted)][:wanted]
    found: Counter[str] = Counter()
    films = []
    for path in chosen:
        film = read_radiograph(path)
        mine = likeness(film.pixels)
        films.append(mine)
        found["inverted"] += alike(likeness(np.float32(1) - film.pixels), [mine])
        found["mirrored"] += alike(likeness(np.ascontiguousarray(film.pixels[:, ::-1])), [mine])
        for name in CHANGES:
            if name not in ("mirror",):
                found[name] += alike(likeness(change_film(film, name).pixels), [mine])
    rows = [(name, f"{100 * count / len(chosen):.0f} %") for name, count in found.items()]
    print(Table("", ("copy", "told"), tuple(rows)).markdown())
    pairs = list(combinations(films, 2))
    same = sum(alike(first, [second]) for first, second in pairs)
    print(f"{same} of {len(pairs)} pairs of different files are taken for one film.")


if __name__ == "__main__":
    main()
