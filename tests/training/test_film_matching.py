"""Planted copies of a film are found in an index, whatever was done to them; strangers are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.film_matching import FilmIndex, film_features
from training.same_films import grey_pixels

Pixels = NDArray[np.float32]


def _turned(degrees: float) -> Callable[[Pixels], Pixels]:
    def change(film: Pixels) -> Pixels:
        rows, columns = film.shape
        matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
        return np.asarray(cv2.warpAffine(film, matrix, (columns, rows)), dtype=np.float32)

    return change


def _cropped(top: float, bottom: float, left: float, right: float) -> Callable[[Pixels], Pixels]:
    def change(film: Pixels) -> Pixels:
        rows, columns = film.shape
        return np.ascontiguousarray(
            film[
                round(top * rows) : round((1 - bottom) * rows),
                round(left * columns) : round((1 - right) * columns),
            ]
        )

    return change


def _sized(wide: int, high: int) -> Callable[[Pixels], Pixels]:
    return lambda film: np.asarray(cv2.resize(film, (wide, high)), dtype=np.float32)


def _framed(share: float, grey: float) -> Callable[[Pixels], Pixels]:
    def change(film: Pixels) -> Pixels:
        border = [(round(share * side), round(share * side)) for side in film.shape]
        return np.pad(film, border, constant_values=grey).astype(np.float32)

    return change


def _jpeg(film: Pixels) -> Pixels:
    coded = cv2.imencode(".jpg", (film * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.float32) / 255


def _noisy(film: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 0.03, film.shape)
    return np.asarray(np.clip(film + noise, 0, 1), dtype=np.float32)


def _lettered(film: Pixels) -> Pixels:
    changed = (film * 255).astype(np.uint8)
    cv2.putText(changed, "PORTABLE AP", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    return changed.astype(np.float32) / 255


def _mirrored(film: Pixels) -> Pixels:
    return np.ascontiguousarray(film[:, ::-1])


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "same": lambda film: film,
    "mirrored": _mirrored,
    "mirrored, turned 5": lambda film: _turned(5)(_mirrored(film)),
    "mirrored, cropped": lambda film: _cropped(0.1, 0.1, 0.1, 0.1)(_mirrored(film)),
    "turned 3": _turned(3),
    "turned 5": _turned(5),
    "turned -8": _turned(-8),
    "turned 15": _turned(15),
    "turned 90": lambda film: np.ascontiguousarray(np.rot90(film)),
    "upside down": lambda film: np.ascontiguousarray(film[::-1, ::-1]),
    "cropped 8 %": _cropped(0.08, 0.08, 0.08, 0.08),
    "cropped 15 %": _cropped(0.15, 0.15, 0.15, 0.15),
    "top cut off": _cropped(0.25, 0, 0, 0),
    "one side cut off": _cropped(0, 0, 0.25, 0),
    "224 pixels": _sized(224, 224),
    "stretched across": _sized(420, 300),
    "stretched down": _sized(300, 420),
    "black border": _framed(0.2, 0.0),
    "white border": _framed(0.1, 1.0),
    "gamma 0.6": lambda film: film**0.6,
    "gamma 1.6": lambda film: film**1.6,
    "less contrast": lambda film: np.asarray(0.3 + 0.4 * film, dtype=np.float32),
    "blurred": lambda film: np.asarray(cv2.GaussianBlur(film, (0, 0), 1.2), dtype=np.float32),
    "JPEG": _jpeg,
    "noise": _noisy,
    "letters": _lettered,
}


def test_there_are_26_kinds_of_copies() -> None:
    assert len(CHANGES) == 26


@pytest.mark.slow
@pytest.mark.shared_data
def test_planted_copies_are_found_among_others_and_strangers_are_not(shared_data: Path) -> None:
    paths = sorted((shared_data / "scored").iterdir())[::9]
    names = [path.name for path in paths]
    films = [grey_pixels(path) for path in paths]
    index = FilmIndex(names, [film_features(film) for film in films])
    missed = [
        (names[row], kind)
        for row in (0, 11)
        for kind, change in CHANGES.items()
        if not any(match.name == names[row] for match in index.matches(change(films[row])))
    ]
    assert not missed
    strangers = sorted((shared_data / "series").iterdir())[::12]
    assert not [path.name for path in strangers if index.matches(grey_pixels(path))]
