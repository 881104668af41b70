"""Finding the lungs on a film, and showing a backbone the frame around them.

Wide films, borders and padding leave the lungs few pixels and move a score. A small network
(U-Net, 96 x 96) outlines the lungs twice: on the whole film, and then on a frame around what
it found, so that the second outline hardly knows how wide the film was.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.registry import weights_folder
from pneumoscore.backbone.runtime import start_session
from pneumoscore.files import sha256_of
from pneumoscore.radiograph.limits import LEAST_SIDE
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.prepare import Frame, framed, prepare, whole_film
from pneumoscore.radiograph.reduction import block_factor, block_means
from pneumoscore.radiograph.types import InputSpec, PreparedRadiograph, Radiograph, Squaring

__all__ = ["LUNG_NETWORK", "lung_frame", "lung_network_hash", "outline", "prepare_film"]

LUNG_NETWORK = "lungs.onnx"
SIZE = 96
_FIRST_MARGIN = 1.25
_LEAST_SHARE = 0.02  # of the first square that must be lung
_LEAST_PROPORTION = 0.5  # of the lungs' box, shorter to longer side
_TAIL = 0.005  # of the lungs' mass beyond each side of their box
_SURE = 0.5


@functools.cache
def lung_network_hash() -> str:
    """Return the SHA-256 of the lung network: part of the identity of what is fed by it."""
    return sha256_of(weights_folder() / LUNG_NETWORK)


@functools.cache
def _session() -> Any:
    """Return the lung network, read once for the process; sessions may be shared by threads."""
    file = weights_folder() / LUNG_NETWORK
    return start_session(file.read_bytes(), file, threads=1)


def outline(radiograph: Radiograph, frame: Frame) -> NDArray[np.float32]:
    """Return the probability of lung in a frame of a film, shape (96, 96)."""
    film, (rows, columns) = framed(radiograph, frame, SIZE)
    square = np.zeros((SIZE, SIZE), dtype=np.float32)
    square[rows, columns] = film
    square -= square.mean()
    square /= square.std() + np.float32(1e-3)
    (logits,) = _session().run(["lungs"], {"film": square[None, None]})
    return np.asarray(1 / (1 + np.exp(-logits[0, 0])), dtype=np.float32)


def _ends(weight: NDArray[np.float64]) -> tuple[float, float]:
    """Return where all but the tails of a line of weights lies, to parts of a place."""
    edges = np.arange(len(weight) + 1)
    share = np.concatenate([[0.0], np.cumsum(weight)]) / weight.sum()
    # np.interp wants ascending positions: flat stretches are entered at their inner end.
    first = int(np.searchsorted(share, _TAIL, side="right")) - 1
    last = int(np.searchsorted(share, 1 - _TAIL, side="left"))
    low = np.interp(_TAIL, share[first : first + 2], edges[first : first + 2])
    high = np.interp(1 - _TAIL, share[last - 1 : last + 1], edges[last - 1 : last + 1])
    return float(low), float(high)


def _box(chance: NDArray[np.float32], frame: Frame) -> tuple[float, float, float, float] | None:
    """Return top, left, bottom and right of the lungs in film pixels; None if there are none."""
    sure = np.where(chance > _SURE, chance, 0.0).astype(np.float64)
    if (chance > _SURE).mean() < _LEAST_SHARE:
        return None
    scale = frame.side / chance.shape[0]
    top, bottom = (frame.top + place * scale for place in _ends(sure.sum(axis=1)))
    left, right = (frame.left + place * scale for place in _ends(sure.sum(axis=0)))
    high, wide = bottom - top, right - left
    if min(high, wide) < _LEAST_PROPORTION * max(high, wide):
        return None
    return top, left, bottom, right


def _around(box: tuple[float, float, float, float], margin: float) -> Frame:
    top, left, bottom, right = box
    side = margin * max(bottom - top, right - left)
    return Frame((top + bottom - side) / 2, (left + right - side) / 2, side)


def lung_frame(radiograph: Radiograph, margin: float) -> Frame | None:
    """Return the square around both lungs, or None where they are not found.

    Parameters
    ----------
    radiograph : Radiograph
        A frontal film.
    margin : float
        Side of the square, in longer sides of the lungs' box.
    """
    small, factor = _small(radiograph)
    frame = whole_film(small)
    box = _box(outline(small, frame), frame)
    if box is None:
        return None
    frame = _around(box, _FIRST_MARGIN)
    box = _box(outline(small, frame), frame)
    if box is None or not math.isfinite(sum(box)):
        return None
    found = _around(box, margin)
    return Frame(found.top * factor, found.left * factor, found.side * factor)


def _small(radiograph: Radiograph) -> tuple[Radiograph, int]:
    """Return a film as it is read by default, and its pixels for one of those.

    The lungs are looked for on that copy however many pixels were read: an outline moves a
    little with the size of what it is drawn on, and a score with the outline.
    """
    factor = block_factor((radiograph.rows, radiograph.columns), LEAST_SIDE)
    if factor == 1:
        return radiograph, 1
    shape = radiograph.rows, radiograph.columns
    origin = (radiograph.origin or Origin(shape)).scaled(factor, factor)
    return Radiograph(block_means(radiograph.pixels, factor), origin=origin), factor


def prepare_film(radiograph: Radiograph, spec: InputSpec) -> PreparedRadiograph:
    """Make a radiograph what a backbone takes: the only way to a backbone's input.

    Parameters
    ----------
    radiograph : Radiograph
        The film.
    spec : InputSpec
        Of the backbone's record. With ``Squaring.LUNGS`` the frame around the lungs is shown,
        and the whole film, with the notice ``"no_lungs_found"``, where there are none.
    """
    if spec.squaring is not Squaring.LUNGS:
        return prepare(radiograph, spec)
    frame = lung_frame(radiograph, spec.margin)
    prepared = prepare(radiograph, spec, frame)
    return prepared if frame is not None else replace(prepared, notices=("no_lungs_found",))
