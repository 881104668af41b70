"""Which films a training may not see, found once for each state of the data folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.cohort.leakage import bar_test_films, look_alikes
from pneumoscore.cohort.tables import read_table
from pneumoscore.files import sha256_of, write_atomically
from pneumoscore.severity.seen import SeenFilms

__all__ = ["Exclusions", "find_exclusions", "seen_films"]

_FORM = b"of_the_94, of_scored, alike"
_FOLDERS = ("cohen94", "scored", "cohen_other", "hannover", "other_views")
_LEARNT_FROM = ("scored", "cohen_other", "hannover")
_TELLING = 6  # letters; films of other people may be called "0" too
_TABLES = ("cohen94.csv", "scored.csv", "cohen_metadata.csv", "hannover.csv")


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Films by path below the data folder.

    Attributes
    ----------
    of_the_94 : mapping of str to str
        Films that may show a patient of the 94, each with its reason.
    of_scored : mapping of str to str
        Films that may show a patient of the other scored films, each with its reason.
    alike : tuple of (str, str)
        Pairs of the other scored films that look alike.
    """

    of_the_94: Mapping[str, str]
    of_scored: Mapping[str, str]
    alike: tuple[tuple[str, str], ...]

    @property
    def of_any_scored_patient(self) -> frozenset[str]:
        """Films of patients with a scored film, look-alikes included.

        Lung outlines, expert masks and Brixia ratings are used of other patients only, so
        that one lung network serves every part of a cross-validation.
        """
        return frozenset(self.of_the_94) | frozenset(self.of_scored)


def _fingerprint(data: Path) -> str:
    digest = hashlib.sha256(_FORM)
    for name in _TABLES:
        digest.update((data / name).read_bytes())
    for folder in _FOLDERS:
        for path in sorted((data / folder).iterdir()):
            digest.update(f"{folder}/{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def find_exclusions(data: Path, kept: Path) -> Exclusions:
    """Return the films to leave out.

    Parameters
    ----------
    data : Path
        Data folder.
    kept : Path
        File that keeps the answer; used again while the tables and films are the same.
    """
    fingerprint = _fingerprint(data)
    if kept.is_file():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["fingerprint"] == fingerprint:
            alike = tuple((first, second) for first, second in known["alike"])
            return Exclusions(known["of_the_94"], known["of_scored"], alike)
    scored = [f"scored/{path.name}" for path in sorted((data / "scored").iterdir())]
    found = Exclusions(
        dict(bar_test_films(data, "cohen94").reasons),
        dict(bar_test_films(data, "scored").reasons),
        tuple(look_alikes(data, scored)),
    )
    form = {
        "fingerprint": fingerprint,
        "of_the_94": found.of_the_94,
        "of_scored": found.of_scored,
        "alike": found.alike,
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, json.dumps(form, indent=1).encode())
    return found


def seen_films(data: Path, barred: Collection[str]) -> SeenFilms:
    """Return the films of the data folder that a shipped model may have learnt from.

    Parameters
    ----------
    data : Path
        Data folder.
    barred : collection of str
        Films that nothing may see, by path below it.
    """
    names = [
        f"{folder}/{path.name}"
        for folder in _LEARNT_FROM
        for path in sorted((data / folder).iterdir())
        if f"{folder}/{path.name}" not in barred
    ]
    originals = {
        f"scored/{row['file']}": row["original"] for row in read_table(data / "scored.csv")
    }
    stems = {Path(name).stem.lower() for name in (*names, *originals.values())}
    telling = (stem for stem in stems if len(stem) >= _TELLING)
    return SeenFilms().with_films((sha256_of(data / name) for name in names), telling)
