"""Readers' boxes around opacities, from the corpus."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.films import FilmArrays

__all__ = ["Box", "box_masks", "read_boxes", "read_boxes_in_lungs"]

Box = tuple[float, float, float, float]
"""Left, top, width and height, in shares of a film's width and height."""

_FINDINGS = ("Pneumonia", "Infiltrate", "Atelectasis", "Effusion", "Lung Opacity")
# Whoever blacked the films out cut dense opacities away with the rest.
_LEAST_VISIBLE = 0.7


def read_boxes(corpus: Path, archive: str) -> dict[str, list[Box]]:
    """Return the boxes of ``boxes.csv`` around what may be an opacity, by file of an archive."""
    boxes: dict[str, list[Box]] = {}
    with (corpus / "boxes.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["archive"] == archive and row["finding"] in _FINDINGS and row["width"]:
                place = (float(row["x"]), float(row["y"]))
                boxes.setdefault(row["file"], []).append(
                    (*place, float(row["width"]), float(row["height"]))
                )
    return boxes


def read_boxes_in_lungs(corpus: Path) -> dict[str, list[Box]]:
    """Return the boxes of ``rsna_lungs.csv`` by file: films that are black outside the lungs.

    Films whose boxes were mostly blacked out too (less than seven tenths are seen) are left out.
    """
    with (corpus / "rsna_lungs.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["file"]: [_box(text) for text in row["boxes"].split(";")]
            for row in csv.DictReader(file)
            if row["boxes"] and float(row["box_visible"]) >= _LEAST_VISIBLE
        }


def _box(text: str) -> Box:
    left, top, width, height = (float(part) for part in text.split(","))
    return left, top, width, height


def box_masks(films: FilmArrays, boxes: Mapping[str, Sequence[Box]]) -> NDArray[np.uint8]:
    """Return masks of the boxes where the films lie in their squares.

    Parameters
    ----------
    films : FilmArrays
        n films with their placements; those that are named in `boxes`.
    boxes : mapping of str to sequence of Box
        By name of the film.

    Returns
    -------
    ndarray of uint8, shape (n, size, size)
        255 inside, 0 elsewhere.
    """
    masks = np.zeros(films.pixels.shape, dtype=np.uint8)
    for mask, name, place in zip(masks, films.names, films.placements, strict=True):
        high, wide = (side * place.scale for side in place.film_shape)
        for x, y, width, height in boxes[name]:
            top, left = y * high + place.top, x * wide + place.left
            rows = slice(_whole(top), _whole(top + height * high))
            mask[rows, _whole(left) : _whole(left + width * wide)] = 255
    return masks


def _whole(place: float) -> int:
    return max(0, round(place))
