"""How far a score moves when the film changes and the patient does not."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.errors import NotScorableError
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.model import SeverityModel

__all__ = ["PERTURBATIONS", "Steadiness", "measure_steadiness", "perturb"]

Pixels = NDArray[np.float32]


def _gamma(pixels: Pixels, exponent: float) -> Pixels:
    return np.asarray(pixels**exponent, dtype=np.float32)


def _contrast(pixels: Pixels, factor: float) -> Pixels:
    mean = pixels.mean()
    return np.asarray(np.clip(mean + factor * (pixels - mean), 0.0, 1.0), dtype=np.float32)


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    turned = Image.fromarray(pixels).rotate(degrees, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(turned, dtype=np.float32), 0.0, 1.0)


def _crop(pixels: Pixels, share: float) -> Pixels:
    rows, columns = pixels.shape
    top, left = round(rows * share / 2), round(columns * share / 2)
    return pixels[top : rows - top, left : columns - left]


def _resize(pixels: Pixels, shorter: int) -> Pixels:
    rows, columns = pixels.shape
    factor = shorter / min(rows, columns)
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(small, dtype=np.float32), 0.0, 1.0)


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return np.asarray(image, dtype=np.float32) / np.float32(255)


PERTURBATIONS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "gamma 0.8": lambda pixels: _gamma(pixels, 0.8),
    "gamma 0.9": lambda pixels: _gamma(pixels, 0.9),
    "gamma 1.1": lambda pixels: _gamma(pixels, 1.1),
    "gamma 1.25": lambda pixels: _gamma(pixels, 1.25),
    "contrast -20 %": lambda pixels: _contrast(pixels, 0.8),
    "contrast +20 %": lambda pixels: _contrast(pixels, 1.2),
    "rotation -5 degrees": lambda pixels: _rotate(pixels, -5),
    "rotation +5 degrees": lambda pixels: _rotate(pixels, 5),
    "crop 10 %": lambda pixels: _crop(pixels, 0.1),
    "resize to 512": lambda pixels: _resize(pixels, 512),
    "JPEG quality 60": lambda pixels: _jpeg(pixels, 60),
}
"""Changes of a film that leave the patient's lungs as they were, on pixels in [0, 1].

The crop takes 5 % off each side; the resize makes the shorter side 512 pixels.
"""


def perturb(radiograph: Radiograph, name: str) -> Radiograph:
    """Return a radiograph changed by one of `PERTURBATIONS`."""
    return replace(radiograph, pixels=PERTURBATIONS[name](radiograph.pixels))


@dataclass(frozen=True, slots=True, eq=False)
class Steadiness:
    """Changes of the score by perturbation.

    Attributes
    ----------
    scale : str
        Of the scores.
    changes : mapping of str to ndarray of float, shape (films,)
        Score of the changed film minus that of the film, by perturbation.
    """

    scale: str
    changes: Mapping[str, NDArray[np.float64]]

    def pooled(self) -> dict[str, float]:
        """Return median, 95th percentile and largest absolute change over all."""
        return _quantiles(np.concatenate(list(self.changes.values())))

    def by_perturbation(self) -> dict[str, dict[str, float]]:
        """Return the same for each perturbation, with the mean signed change."""
        return {
            name: _quantiles(values) | {"mean": float(values.mean())}
            for name, values in self.changes.items()
        }


def _quantiles(changes: NDArray[np.float64]) -> dict[str, float]:
    size = np.abs(changes)
    return {
        "median": float(np.median(size)),
        "p95": float(np.quantile(size, 0.95)),
        "largest": float(size.max()),
    }


def measure_steadiness(
    model: SeverityModel,
    paths: Sequence[Path],
    scales: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> dict[str, Steadiness]:
    """Score films as they are and under every perturbation.

    Parameters
    ----------
    model : SeverityModel
        Which model; films that its gate refuses are scored all the same.
    paths : sequence of Path
        Frontal films.
    scales : sequence of str
        Which scores.
    progress : callable, optional
        Called with the number of films done.

    Returns
    -------
    dict of str to Steadiness
        By scale.
    """
    names = list(PERTURBATIONS)
    changes = {scale: np.empty((len(names), len(paths))) for scale in scales}
    for column, path in enumerate(paths):
        film = read_radiograph(path)
        variants = [film, *(perturb(film, name) for name in names)]
        values = np.array(
            [
                [score[scale].value for scale in scales]
                for score in model.score_many(
                    variants, len(variants), force=True, scales=list(scales)
                )
                if not isinstance(score, NotScorableError)
            ]
        )
        for position, scale in enumerate(scales):
            changes[scale][:, column] = values[1:, position] - values[0, position]
        if progress is not None:
            progress(column + 1)
    return {
        scale: Steadiness(scale, dict(zip(names, table, strict=True)))
        for scale, table in changes.items()
    }
