"""Which films a training may not see, found once for each state of the data folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.cohort.leakage import bar_test_films, look_alikes
from pneumoscore.files import write_atomically

__all__ = ["Exclusions", "find_exclusions"]

_FORM = b"of_the_94, of_scored, alike"
_FOLDERS = ("cohen94", "scored", "cohen_other", "hannover", "other_views")
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
