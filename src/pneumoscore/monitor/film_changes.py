"""Changes of a film that leave the patient's lungs as they were."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pneumoscore.radiograph.types import Radiograph

__all__ = ["CHANGES", "RETAKES", "change_film"]

Pixels = NDArray[np.float32]


def _pixels(image: Image.Image) -> Pixels:
    return np.clip(np.asarray(image, dtype=np.float32), 0.0, 1.0)


def _gamma(pixels: Pixels, exponent: float) -> Pixels:
    return np.asarray(pixels**exponent, dtype=np.float32)


def _contrast(pixels: Pixels, factor: float) -> Pixels:
    mean = pixels.mean()
    return np.asarray(np.clip(mean + factor * (pixels - mean), 0.0, 1.0), dtype=np.float32)


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    return _pixels(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BILINEAR))


def _mirror(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def _crop(pixels: Pixels, a_side: float) -> Pixels:
    rows, columns = pixels.shape
    top, left = round(rows * a_side), round(columns * a_side)
    return pixels[top : rows - top, left : columns - left]


def _border(pixels: Pixels, a_side: float, value: float) -> Pixels:
    rows, columns = pixels.shape
    high, wide = round(rows * a_side), round(columns * a_side)
    return np.pad(pixels, ((high, high), (wide, wide)), constant_values=value)


def _square(pixels: Pixels) -> Pixels:
    missing = (max(pixels.shape) - length for length in pixels.shape)
    return np.pad(pixels, [(length // 2, length - length // 2) for length in missing])


def _resize(pixels: Pixels, rows: float, columns: float) -> Pixels:
    size = (max(1, round(columns)), max(1, round(rows)))
    return _pixels(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _stretch(pixels: Pixels, down: float, across: float) -> Pixels:
    return _resize(pixels, pixels.shape[0] * down, pixels.shape[1] * across)


def _shorter_side(pixels: Pixels, length: int) -> Pixels:
    factor = length / min(pixels.shape)
    return _stretch(pixels, factor, factor)


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return np.asarray(image, dtype=np.float32) / np.float32(255)


# Places in widths and heights of the film, width of the line in shorter sides, share of white.
_LINES = (
    (((0.50, 0.0), (0.51, 0.20), (0.50, 0.36)), 0.016, 0.35),  # endotracheal tube
    (((0.53, 0.0), (0.52, 0.40), (0.54, 0.75), (0.66, 1.0)), 0.008, 0.45),  # gastric tube
    (((0.0, 0.12), (0.22, 0.16), (0.38, 0.22), (0.43, 0.45)), 0.006, 0.5),  # central line
    (((0.0, 0.42), (0.18, 0.34), (0.24, 0.30)), 0.004, 0.7),  # leads
    (((1.0, 0.38), (0.84, 0.33), (0.76, 0.29)), 0.004, 0.7),
    (((1.0, 0.80), (0.86, 0.74), (0.80, 0.70)), 0.004, 0.7),
)
_ELECTRODES = ((0.24, 0.30), (0.76, 0.29), (0.80, 0.70))


def _tubes(pixels: Pixels) -> Pixels:
    rows, columns = pixels.shape
    short = min(rows, columns)
    changed = pixels
    for points, width, share in _LINES:
        layer = Image.new("L", (columns, rows))
        pen = ImageDraw.Draw(layer)
        pen.line([(x * columns, y * rows) for x, y in points], 255, max(2, round(width * short)))
        if points[-1] in _ELECTRODES:
            pen.circle((points[-1][0] * columns, points[-1][1] * rows), 0.014 * short, fill=255)
        soft = layer.filter(ImageFilter.GaussianBlur(0.0015 * short))
        weight = np.asarray(soft, dtype=np.float32) * np.float32(share / 255)
        changed = changed + weight * (1 - changed)
    return np.asarray(changed, dtype=np.float32)


CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "crop 5 % a side": partial(_crop, a_side=0.05),
    "crop 10 % a side": partial(_crop, a_side=0.10),
    "black border, 15 % a side": partial(_border, a_side=0.15, value=0.0),
    "black border, 30 % a side": partial(_border, a_side=0.30, value=0.0),
    "white border, 15 % a side": partial(_border, a_side=0.15, value=1.0),
    "white border, 30 % a side": partial(_border, a_side=0.30, value=1.0),
    "padded to a square": _square,
    "rotation -10 degrees": partial(_rotate, degrees=-10),
    "rotation -5 degrees": partial(_rotate, degrees=-5),
    "rotation +5 degrees": partial(_rotate, degrees=5),
    "rotation +10 degrees": partial(_rotate, degrees=10),
    "mirror": _mirror,
    "stretched 1.25 across": partial(_stretch, down=1.0, across=1.25),
    "stretched 1.25 down": partial(_stretch, down=1.25, across=1.0),
    "tubes drawn": _tubes,
    "gamma 0.8": partial(_gamma, exponent=0.8),
    "gamma 0.9": partial(_gamma, exponent=0.9),
    "gamma 1.1": partial(_gamma, exponent=1.1),
    "gamma 1.25": partial(_gamma, exponent=1.25),
    "contrast +20 %": partial(_contrast, factor=1.2),
    "resize to 512": partial(_shorter_side, length=512),
    "JPEG quality 60": partial(_jpeg, quality=60),
}
"""By name, on pixels in [0, 1]; the resize makes the shorter side 512 pixels.

Less contrast is not among them: a network fed films of mean 0 and deviation 1 cannot see it.
"""

RETAKES = (
    "gamma 0.8",
    "gamma 0.9",
    "gamma 1.1",
    "gamma 1.25",
    "contrast +20 %",
    "rotation -5 degrees",
    "rotation +5 degrees",
    "crop 5 % a side",
    "resize to 512",
    "JPEG quality 60",
)
"""Those of `CHANGES` by which another exposure of the same lungs may differ."""


def change_film(radiograph: Radiograph, name: str) -> Radiograph:
    """Return a radiograph changed by one of `CHANGES`."""
    return replace(radiograph, pixels=CHANGES[name](radiograph.pixels), origin=None)
