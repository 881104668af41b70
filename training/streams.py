"""Streams of training films: what each batch is drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.augment import Augmentation, augment, standardised_films
from training.films import FilmArrays
from training.painting import paint

__all__ = ["LEAST_OPACITY", "Batch", "FilmStream", "Teacher", "draw_batch"]

# Probability of "Lung Opacity" that clear lungs are taught; wholly opaque ones lack as much of 1.
LEAST_OPACITY = 0.02
Teacher = Callable[[Tensor, Tensor], Tensor]
"""From standardised films (n, 1, size, size) and lungs (n, 2, size, size) to the scores of each
lung, shape (n, 2, 2): image side by scale."""


@dataclass(frozen=True, slots=True, eq=False)
class FilmStream:
    """Films with what is known of them; NaN stands for unknown.

    Attributes
    ----------
    name : str
        For logs.
    films : FilmArrays
        n films.
    per_batch : int
        How many are drawn into each batch.
    findings : ndarray of float32, shape (n, findings)
        0, 1 or NaN.
    totals : ndarray of float32, shape (n, 2)
        Geographic extent 0-8 and opacity (RALO) 0-8.
    sides : ndarray of float32, shape (n, 2, 2)
        The same for the lung on the image's left and right (second axis), 0-4 each.
    lungs : ndarray of uint8, shape (n, 2, rows, columns), or None
        Probability of each lung, times 255.
    opacity : ndarray of uint8, shape (n, 2, rows, columns), or None
        Opacity masks of each lung, times 255; needs `sides`.
    painted : bool
        Whether opacities are painted into the films; the truth above is then replaced.
    taught : bool
        Whether the truth of totals and sides is what a teacher says of the film as it is; the
        truth above is then replaced. Needs `lungs`.
    """

    name: str
    films: FilmArrays
    per_batch: int
    findings: NDArray[np.float32]
    totals: NDArray[np.float32]
    sides: NDArray[np.float32]
    lungs: NDArray[np.uint8] | None = None
    opacity: NDArray[np.uint8] | None = None
    painted: bool = False
    taught: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: films and targets, NaN where unknown.

    Attributes
    ----------
    films : Tensor, shape (n, 1, size, size)
    findings : Tensor, shape (n, findings)
    totals : Tensor, shape (n, 2)
    sides : Tensor, shape (n, 2, 2)
    lungs : Tensor, shape (n, 2, size, size)
    opacity : Tensor, shape (n, 2, size, size)
    """

    films: Tensor
    findings: Tensor
    totals: Tensor
    sides: Tensor
    lungs: Tensor
    opacity: Tensor


def _to_size(masks: NDArray[np.uint8], size: int) -> Tensor:
    tensor = torch.from_numpy(masks).float() / 255
    if tensor.shape[-1] != size:
        tensor = F.interpolate(tensor, size=(size, size), mode="bilinear", align_corners=False)
    return tensor


def _opacity_findings(findings: Tensor, extent: Tensor, opacity_column: int) -> Tensor:
    """Let the logit of "Lung Opacity" grow with the extent, so that it grades real films too."""
    findings = findings.clone()
    findings[:, opacity_column] = LEAST_OPACITY + (1 - 2 * LEAST_OPACITY) * extent.sum(1) / 8
    return findings


def _draw(
    stream: FilmStream,
    settings: Augmentation,
    opacity_column: int,
    generator: torch.Generator,
    teacher: Teacher | None,
) -> Batch:
    rows = torch.randint(len(stream.films), (stream.per_batch,), generator=generator).numpy()
    pixels = torch.from_numpy(stream.films.pixels[rows]).float()[:, None] / 255
    size = pixels.shape[-1]
    count = len(rows)
    findings = torch.from_numpy(stream.findings[rows])
    totals = torch.from_numpy(stream.totals[rows])
    sides = torch.from_numpy(stream.sides[rows])
    unknown = torch.full((count, 2, 1, 1), torch.nan).expand(count, 2, size, size)
    lungs = unknown if stream.lungs is None else _to_size(stream.lungs[rows], size)
    opacity = unknown if stream.opacity is None else _to_size(stream.opacity[rows], size)
    if stream.painted:
        painted = paint(pixels, lungs, generator)
        pixels, opacity = painted.films, painted.opacity
        sides = torch.stack([painted.extent, painted.density], 2)
        totals = sides.sum(1)
        findings = _opacity_findings(findings, painted.extent, opacity_column)
    if stream.taught and teacher is not None:
        sides = teacher(standardised_films(stream.films.take(rows.tolist())), lungs)
        totals = sides.sum(1)
    known = torch.cat([lungs, opacity], 1)
    view = augment(pixels, known.nan_to_num(), settings, generator)
    nan_lungs = lungs.isnan().flatten(1).any(1)
    nan_opacity = opacity.isnan().flatten(1).any(1)
    flipped = view.flipped
    moved_lungs, moved_opacity = view.masks[:, :2].clone(), view.masks[:, 2:].clone()
    moved_lungs[flipped] = moved_lungs[flipped].flip(1)
    moved_opacity[flipped] = moved_opacity[flipped].flip(1)
    sides = torch.where(flipped.view(-1, 1, 1), sides.flip(1), sides)
    moved_lungs[nan_lungs] = torch.nan
    moved_opacity[nan_opacity] = torch.nan
    return Batch(view.films, findings, totals, sides, moved_lungs, moved_opacity)


def draw_batch(
    streams: list[FilmStream],
    settings: Augmentation,
    opacity_column: int,
    generator: torch.Generator,
    teacher: Teacher | None = None,
) -> Batch:
    """Draw `per_batch` films of each stream, painted and augmented.

    Parameters
    ----------
    streams : list of FilmStream
    settings : Augmentation
    opacity_column : int
        Column of the findings that says "Lung Opacity"; painted films set it to a probability
        that grows with their extent.
    generator : torch.Generator
        Source of all randomness, so that a saved state resumes exactly.
    teacher : Teacher, optional
        Scores the films of taught streams; without one their scores stay unknown.
    """
    parts = [
        _draw(stream, settings, opacity_column, generator, teacher)
        for stream in streams
        if stream.per_batch > 0
    ]
    joined = (torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Batch))
    return Batch(*joined)
