"""Expert masks of lungs and opacities, as training arrays."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.types import InputSpec
from training.films import FilmArrays, folder_films, placed_masks

__all__ = ["read_expert_masks"]

_RIGHT, _LEFT, _GROUND_GLASS, _CONSOLIDATION = 1, 2, 4, 8


def read_expert_masks(
    data: Path, barred: Callable[[str], bool], spec: InputSpec
) -> tuple[FilmArrays, NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the expert masks of films that are not barred.

    Parameters
    ----------
    data : Path
        Data folder with ``masks.csv``.
    barred : callable
        Tells of a film's path below `data` whether it may not be used.
    spec : InputSpec
        How the films become squares.

    Returns
    -------
    FilmArrays
        The n films.
    ndarray of uint8, shape (n, 2, size, size)
        Right and left lung, 0 or 255.
    ndarray of uint8, shape (n, 2, size, size)
        Opacities of the right and the left lung, 0 or 255.
    """
    with (data / "masks.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["kind"] == "findings" and not barred(row["image"])
        ]
    films = folder_films(data, [row["image"] for row in rows], spec, whole=True)
    bits = placed_masks([data / "masks" / row["file"] for row in rows], films)
    right, left = (bits & _RIGHT) > 0, (bits & _LEFT) > 0
    opaque = (bits & (_GROUND_GLASS | _CONSOLIDATION)) > 0
    lungs = np.stack([right, left], 1)
    opacity = np.stack([opaque & right, opaque & left], 1)
    return films, lungs.astype(np.uint8) * 255, opacity.astype(np.uint8) * 255
