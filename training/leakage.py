"""The rule that keeps test films, and other films of their patients, out of everything fitted.

A film is barred when it may show a test patient: by the collection's patient number, by its
file name, because it shows the same film as a barred one (`training.film_matching`, listed once
in ``barred_films.csv`` beside this module), or because a barred film belongs to the same
patient or stay.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pneumoscore.cohort.film_names import film_stem
from pneumoscore.cohort.tables import read_table

__all__ = [
    "FOLDERS",
    "BarredFilms",
    "SameFilm",
    "bar_test_films",
    "known_matches",
    "one_person",
    "people_of_films",
    "same_films",
]

FOLDERS = ("cohen94", "scored", "cohen_other", "hannover", "other_views", "series", "ordinal")
TABLE = "barred_films.csv"
COLUMNS = ("image", "shows", "inliers", "mirrored")


@dataclass(frozen=True, slots=True)
class SameFilm:
    """One line of ``barred_films.csv``.

    Attributes
    ----------
    image : str
        ``archive/file`` of the corpus, or folder and file below the data folder.
    shows : str
        The film of a scored patient that it shows, below the data folder.
    inliers : int
        Keypoints that agree (`training.film_matching.Match`).
    mirrored : bool
        Whether it shows that film's mirror image.
    """

    image: str
    shows: str
    inliers: int
    mirrored: bool


@dataclass(frozen=True, slots=True)
class BarredFilms:
    """Films that nothing fitted may see, each with the reason.

    Attributes
    ----------
    reasons : mapping of str to str
        Reason by path below the data folder (``"cohen_other/000001-12.jpg"``), or by
        ``archive/file`` of the corpus.
    """

    reasons: Mapping[str, str]

    def __contains__(self, path: object) -> bool:
        return path in self.reasons

    def __len__(self) -> int:
        return len(self.reasons)

    def allowed(self, paths: Iterable[str]) -> list[str]:
        """Return those of `paths` that may be fitted, in order."""
        return [path for path in paths if path not in self.reasons]


def known_matches() -> list[SameFilm]:
    """Return the lines of ``barred_films.csv``."""
    text = resources.files("training").joinpath(TABLE).read_text("utf-8")
    return [
        SameFilm(row["image"], row["shows"], int(row["inliers"]), row["mirrored"] == "yes")
        for row in csv.DictReader(io.StringIO(text))
    ]


def same_films(matches: Iterable[SameFilm], folder: str) -> list[tuple[str, str]]:
    """Return the pairs of films of one folder that show the same film, each pair once."""
    prefix = f"{folder}/"
    return sorted(
        {
            (min(match.image, match.shows), max(match.image, match.shows))
            for match in matches
            if match.image.startswith(prefix) and match.shows.startswith(prefix)
        }
    )


def people_of_films(data: Path) -> dict[str, set[str]]:
    """Return what each film says of its person: patient numbers and stays, by film.

    Parameters
    ----------
    data : Path
        Data folder.

    Returns
    -------
    dict of str to set of str
        By path below the data folder; empty where nothing is said.
    """
    by_stem: dict[str, set[str]] = {}
    for row in read_table(data / "cohen_metadata.csv"):
        if row["filename"]:
            by_stem.setdefault(film_stem(row["filename"]), set()).add(f"patient {row['patientid']}")
    for row in read_table(data / "scored.csv"):
        for name in (row["file"], row["original"]):
            by_stem.setdefault(film_stem(name), set()).add(f"patient {row['patientid']}")
    for row in read_table(data / "cohen94.csv"):
        by_stem.setdefault(film_stem(row["filename"]), set()).add(f"patient {row['patientid']}")
    for row in read_table(data / "hannover.csv"):
        by_stem.setdefault(film_stem(row["image_id"]), set()).add(f"stay {row['patient_id']}")
    people = {
        name: set(by_stem.get(film_stem(name), set()))
        for folder in FOLDERS
        for name in _files(data, folder)
    }
    for row in read_table(data / "series.csv"):
        people.setdefault(f"series/{row['file']}", set()).add(f"patient {row['patient']}")
    for row in read_table(data / "ordinal.csv"):
        own = {f"patient {row['patient']}"} if row["patient"] else set()
        own.add(f"ordinal film {row['film']}")
        for name in (row["file"], row["corpus_file"]):
            if name:
                people.setdefault(name, set()).update(own)
        if row["cohen_other"]:
            people.setdefault(f"cohen_other/{row['cohen_other']}", set()).update(own)
    return people


def one_person(people: Mapping[str, set[str]]) -> dict[str, str]:
    """Return one name for all numbers and stays that some film says are one person.

    Parameters
    ----------
    people : mapping of str to set of str
        From `people_of_films`.

    Returns
    -------
    dict of str to str
        By number or stay.

    Examples
    --------
    >>> one_person({"a.png": {"patient 7", "stay x"}, "b.png": {"stay x"}, "c.png": set()})
    {'patient 7': 'patient 7', 'stay x': 'patient 7'}
    """
    first: dict[str, str] = {}
    for own in people.values():
        names = {first.get(name, name) for name in own}
        if not names:
            continue
        kept = min(names)
        first |= dict.fromkeys(own, kept)
        first |= {name: kept for name, one in first.items() if one in names}
    return dict(sorted(first.items()))


def _files(data: Path, folder: str) -> Iterator[str]:
    for path in sorted((data / folder).iterdir()):
        if path.is_file():
            yield f"{folder}/{path.name}"


def bar_test_films(
    data: Path, test_folder: str = "cohen94", matches: Iterable[SameFilm] | None = None
) -> BarredFilms:
    """Return every film that may show a patient of the test films.

    Parameters
    ----------
    data : Path
        Data folder.
    test_folder : str, optional
        Folder of the test films.
    matches : iterable of SameFilm, optional
        Pairs that show the same film; by default those of the table.

    Returns
    -------
    BarredFilms
        The test films themselves included. Masks and ratings name their film, and are barred
        with it.
    """
    people = people_of_films(data)
    stems = {film_stem(name) for name in people if name.startswith(f"{test_folder}/")}
    reasons: dict[str, str] = {}
    for name in sorted(people):
        if name.startswith(f"{test_folder}/"):
            reasons[name] = "test film"
        elif film_stem(name) in stems and not name.startswith(("series/", "ordinal/", "covid")):
            reasons[name] = "file name of a test film"
    same: dict[str, set[str]] = {}
    for match in known_matches() if matches is None else matches:
        same.setdefault(match.image, set()).add(match.shows)
        same.setdefault(match.shows, set()).add(match.image)
    by_person: dict[str, set[str]] = {}
    for name, keys in people.items():
        for key in keys:
            by_person.setdefault(key, set()).add(name)
    waiting = list(reasons)
    while waiting:
        name = waiting.pop()
        linked = dict.fromkeys(same.get(name, ()), f"shows the same film as {name}")
        for key in people.get(name, ()):
            linked |= dict.fromkeys(by_person[key], f"{key}, as {name}")
        for other, reason in linked.items():
            if other not in reasons:
                reasons[other] = reason
                waiting.append(other)
    return BarredFilms(dict(sorted(reasons.items())))
