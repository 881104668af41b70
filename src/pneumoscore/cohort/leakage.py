"""The rule that keeps test patients out of everything fitted.

A film is barred when it may show a test patient: by the collection's patient number, by its
file name, because a barred film of the same stay carries the same stay identifier, or because
it looks like a test film (crop-tolerant correlation).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = [
    "LOOK_ALIKE_CORRELATION",
    "BarredFilms",
    "bar_test_films",
    "best_correlations",
    "film_stem",
    "look_alikes",
    "thumbnail",
]

# Copies of one film under two names reach 0.99 on the public collection; films of different
# patients stay under 0.75.
LOOK_ALIKE_CORRELATION = 0.75
_THUMBNAIL = 96
_CROPS = (1.0, 0.94, 0.88, 0.82)


def film_stem(name: str) -> str:
    """Return a file's name without folder and image extension, in lower case.

    Examples
    --------
    >>> film_stem("cohen_other/000001-12.JPG")
    '000001-12'
    """
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"} else path.name
    return stem.lower()


def thumbnail(path: Path | BinaryIO) -> NDArray[np.float32]:
    """Read a film as a grey 96 x 96 thumbnail without its slow shading.

    The anatomy that all chests share lies in the slow shading; what tells one patient from
    another is finer.

    Parameters
    ----------
    path : Path or binary file
        The film.

    Returns
    -------
    ndarray of float32, shape (96, 96)
        Local contrast; the aspect ratio is not kept.
    """
    with Image.open(path) as image:
        image.draft("L", (4 * _THUMBNAIL, 4 * _THUMBNAIL))
        grey = image.convert("RGBA").convert("L") if image.mode == "P" else image.convert("L")
        small = grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
        shading = small.filter(ImageFilter.GaussianBlur(4))
    return np.asarray(small, dtype=np.float32) - np.asarray(shading, dtype=np.float32)


def _central_crop(image: NDArray[np.float32], share: float, side: int) -> NDArray[np.float32]:
    margin = (1 - share) / 2 * image.shape[0]
    box = (margin, margin, image.shape[0] - margin, image.shape[0] - margin)
    return np.asarray(
        Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR, box=box),
        dtype=np.float32,
    )


def _template_correlations(
    templates: NDArray[np.float32], images: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Largest normalised cross-correlation of each template over each image's shifts."""
    side = templates.shape[-1]
    count = side * side
    templates = templates - templates.mean(axis=(1, 2), keepdims=True)
    templates /= np.linalg.norm(templates, axis=(1, 2), keepdims=True) + 1e-6
    size = images.shape[-1]
    shape = (size, size)
    valid = size - side + 1
    spectra = np.fft.rfft2(templates, s=shape).conj()
    box = np.zeros((1, size, size), dtype=np.float32)
    box[:, :side, :side] = 1.0
    box_spectrum = np.fft.rfft2(box).conj()
    best = np.zeros((len(templates), len(images)), dtype=np.float32)
    for index, image in enumerate(images):
        centred = image - image.mean()
        spectrum = np.fft.rfft2(centred)
        sums = np.fft.irfft2(spectrum * box_spectrum[0], s=shape)[:valid, :valid]
        squares = np.fft.irfft2(np.fft.rfft2(centred**2) * box_spectrum[0], s=shape)
        spread = np.sqrt(np.maximum(squares[:valid, :valid] - sums**2 / count, 1e-6))
        products = np.fft.irfft2(spectra * spectrum, s=shape)[:, :valid, :valid]
        best[:, index] = (products / spread).reshape(len(templates), -1).max(axis=1)
    return best


def best_correlations(
    films: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how much each film resembles each other film, crops and shifts allowed.

    Parameters
    ----------
    films : ndarray of float32, shape (n, 96, 96)
        Thumbnails.
    others : ndarray of float32, shape (m, 96, 96)
        Thumbnails.

    Returns
    -------
    ndarray of float32, shape (n, m)
        Largest normalised cross-correlation, over central crops of either film.
    """
    return np.maximum(
        _crops_within(films, others),
        _crops_within(others, films).T,
    )


def _crops_within(cropped: NDArray[np.float32], whole: NDArray[np.float32]) -> NDArray[np.float32]:
    """Best match of the core of each cropped film, at several scales, in each whole film."""
    side = 56
    templates = np.stack([_central_crop(film, 0.8, side) for film in cropped])
    best = np.zeros((len(cropped), len(whole)), dtype=np.float32)
    for share in _CROPS:
        size = round(side / 0.8 / share)
        canvas = np.stack([_central_crop(film, 1.0, size) for film in whole])
        best = np.maximum(best, _template_correlations(templates, canvas))
    return best


def look_alikes(data: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of films that look alike, each pair once, in the order of `names`.

    Parameters
    ----------
    data : Path
        Folder of the public collection.
    names : sequence of str
        Paths below it.
    """
    thumbnails = np.stack([thumbnail(data / name) for name in names])
    alike = np.triu(best_correlations(thumbnails, thumbnails) >= LOOK_ALIKE_CORRELATION, k=1)
    return [(names[first], names[second]) for first, second in np.argwhere(alike).tolist()]


@dataclass(frozen=True, slots=True)
class BarredFilms:
    """Films that nothing fitted may see, each with the reason.

    Attributes
    ----------
    reasons : mapping of str to str
        Reason by path below the data folder (``"cohen_other/000001-12.jpg"``).
    """

    reasons: Mapping[str, str]

    def __contains__(self, path: object) -> bool:
        return path in self.reasons

    def __len__(self) -> int:
        return len(self.reasons)

    def allowed(self, paths: Iterable[str]) -> list[str]:
        """Return those of `paths` that may be fitted, in order."""
        return [path for path in paths if path not in self.reasons]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _patients_by_stem(data: Path) -> dict[str, str]:
    """Patient of the collection by file stem, over every table that names one."""
    patients = {
        film_stem(row["filename"]): row["patientid"]
        for row in _rows(data / "cohen_metadata.csv")
        if row["filename"]
    }
    for row in _rows(data / "scored.csv"):
        patients[film_stem(row["file"])] = row["patientid"]
        patients[film_stem(row["original"])] = row["patientid"]
    for row in _rows(data / "cohen94.csv"):
        patients[film_stem(row["filename"])] = row["patientid"]
    return patients


def _stays_by_stem(data: Path) -> dict[str, str]:
    return {film_stem(row["image_id"]): row["patient_id"] for row in _rows(data / "hannover.csv")}


def _candidates(data: Path, folders: Sequence[str]) -> list[str]:
    return [
        f"{folder}/{path.name}"
        for folder in folders
        for path in sorted((data / folder).iterdir())
        if path.is_file()
    ]


def bar_test_films(
    data: Path,
    test_folder: str = "cohen94",
    folders: Sequence[str] = ("cohen94", "scored", "cohen_other", "hannover", "other_views"),
) -> BarredFilms:
    """Return every film below `data` that may show a patient of the test films.

    Parameters
    ----------
    data : Path
        Folder with the tables and film folders of the public collection.
    test_folder : str, optional
        Folder of the test films.
    folders : sequence of str, optional
        Film folders to look through. Masks and ratings name their film, and are barred with it.

    Returns
    -------
    BarredFilms
        The test films themselves included.
    """
    patients = _patients_by_stem(data)
    stays = _stays_by_stem(data)
    test_files = sorted(path for path in (data / test_folder).iterdir() if path.is_file())
    test_stems = {film_stem(path.name) for path in test_files}
    test_patients = {patients[stem] for stem in test_stems if stem in patients}
    candidates = _candidates(data, folders)
    reasons: dict[str, str] = {}
    for name in candidates:
        stem = film_stem(name)
        if name.startswith(f"{test_folder}/"):
            reasons[name] = "test film"
        elif stem in test_stems:
            reasons[name] = "file name of a test film"
        elif patients.get(stem) in test_patients:
            reasons[name] = f"patient {patients[stem]} is in the test set"
    test_thumbnails = np.stack([thumbnail(path) for path in test_files])
    free = [name for name in candidates if name not in reasons]
    if free:
        best = best_correlations(
            np.stack([thumbnail(data / name) for name in free]), test_thumbnails
        )
        for name, row in zip(free, best, strict=True):
            if row.max() >= LOOK_ALIKE_CORRELATION:
                reasons[name] = f"looks like {test_files[int(row.argmax())].name}"
    _spread_over_stays(reasons, candidates, patients, stays)
    return BarredFilms(reasons)


def _spread_over_stays(
    reasons: dict[str, str],
    candidates: Sequence[str],
    patients: Mapping[str, str],
    stays: Mapping[str, str],
) -> None:
    """Bar the other films of every patient and stay of which one film is barred."""

    def keys(name: str) -> set[str]:
        stem = film_stem(name)
        found = {f"patient {patients[stem]}"} if stem in patients else set()
        return found | ({f"stay {stays[stem]}"} if stem in stays else set())

    while True:
        barred_keys = {key for name in reasons for key in keys(name)}
        added = {
            name: "same patient or stay as a barred film"
            for name in candidates
            if name not in reasons and keys(name) & barred_keys
        }
        if not added:
            return
        reasons.update(added)
