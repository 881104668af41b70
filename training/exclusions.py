"""Which films a training may not see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.cohort.tables import read_table
from pneumoscore.files import sha256_of
from pneumoscore.severity.seen import SeenFilms
from training.leakage import bar_test_films

__all__ = ["Exclusions", "find_exclusions", "seen_films"]

_LEARNT_FROM = ("scored", "cohen_other", "hannover", "ordinal")
_TELLING = 6  # letters; films of other people may be called "0" too


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Films by path below the data folder, or by ``archive/file`` of the corpus.

    Attributes
    ----------
    of_the_94 : mapping of str to str
        Films that may show a patient of the 94, each with its reason.
    of_scored : mapping of str to str
        Films that may show a patient of the other scored films, each with its reason.
    """

    of_the_94: Mapping[str, str]
    of_scored: Mapping[str, str]

    @property
    def of_any_scored_patient(self) -> frozenset[str]:
        """Films of patients with a scored film, and images that show such a film.

        Lung outlines, expert masks, ratings, classes and unscored films are used of others
        only, so that they serve every part of a cross-validation.
        """
        return frozenset(self.of_the_94) | frozenset(self.of_scored)


def find_exclusions(data: Path) -> Exclusions:
    """Return the films to leave out (`training.leakage`).

    Parameters
    ----------
    data : Path
        Data folder.
    """
    return Exclusions(
        bar_test_films(data, "cohen94").reasons, bar_test_films(data, "scored").reasons
    )


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
