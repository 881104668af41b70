"""Streams of training films: what each batch is drawn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.augment import Augmentation, augment, standardised_films
from training.films import FilmArrays
from training.painting import paint
from training.told import Told

__all__ = [
    "LEAST_OPACITY",
    "MAP_STEP",
    "Batch",
    "FilmStream",
    "Teacher",
    "Views",
    "draw_batch",
    "draw_views",
]

MAP_STEP = 16  # pixels of a film that a place of the network's map stands for, each way
# Probability of "Lung Opacity" that clear lungs are taught; wholly opaque ones lack as much of 1.
LEAST_OPACITY = 0.02
Teacher = Callable[[Tensor, Tensor], Tensor]
"""From standardised films (n, 1, size, size) and lungs (n, 2, size, size) to the scores of each
lung by one or several networks, shape (networks, n, 2, 2): image side by scale."""


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
    blackened : float
        Share of the views that are black outside `lungs`, after painting. Needs `lungs`.
    taught : bool
        Whether the truth of totals and sides is what a teacher says of the film as it is; the
        truth above is then replaced. Needs `lungs`.
    classes : ndarray of float32, shape (n,), or None
        Ordinal classes 1-5 of one reader.
    boxes : ndarray of uint8, shape (n, rows, columns), or None
        255 inside the readers' boxes around opacities, elsewhere 0.
    parts : ndarray of int64, shape (n,), or None
        Part of the cross-validation that each film belongs to; -1 for none.
    told : Told or None
        What a teacher said of the films once and for all; it replaces the truth above.
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
    blackened: float = 0.0
    taught: bool = False
    classes: NDArray[np.float32] | None = None
    boxes: NDArray[np.uint8] | None = None
    parts: NDArray[np.int64] | None = None
    told: Told | None = None


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
    opacity : Tensor, shape (n, 2, map, map)
        Where each lung is opaque, at the resolution of the network's map.
    classes : Tensor, shape (n,)
    boxes : Tensor, shape (n, 1, size, size)
    """

    films: Tensor
    findings: Tensor
    totals: Tensor
    sides: Tensor
    lungs: Tensor
    opacity: Tensor
    classes: Tensor
    boxes: Tensor


@dataclass(frozen=True, slots=True)
class Views:
    """Films drawn once, for one or several networks, each with its own teacher.

    Attributes
    ----------
    common : Batch
        The batch, without what teachers say.
    taught_sides : Tensor, shape (networks, n, 2, 2)
        Targets of `Batch.sides` for each network.
    taught_totals : Tensor, shape (networks, n, 2)
        The same of `Batch.totals`.
    taught_opacity : Tensor, shape (networks, n, 2, map, map)
        The same of `Batch.opacity`.
    parts : Tensor of int64, shape (n,)
        Part of the cross-validation that each film belongs to; -1 for none.
    """

    common: Batch
    taught_sides: Tensor
    taught_totals: Tensor
    taught_opacity: Tensor
    parts: Tensor

    def for_network(self, network: int, held_out: int | None = None) -> tuple[Batch, Tensor]:
        """Return a network's batch, and which of the views it holds.

        Parameters
        ----------
        network : int
            Its number.
        held_out : int, optional
            Part of the cross-validation that it may not see.

        Returns
        -------
        Batch
        Tensor of bool, shape (n,)
        """
        kept = torch.ones_like(self.parts, dtype=torch.bool)
        if held_out is not None:
            kept = self.parts != held_out
        taught = 0 if len(self.taught_sides) == 1 else network  # one for all, or one each
        batch = replace(
            self.common,
            sides=self.taught_sides[taught],
            totals=self.taught_totals[taught],
            opacity=self.taught_opacity[taught],
        )
        return Batch(*(getattr(batch, field.name)[kept] for field in fields(Batch))), kept


def _to_size(masks: NDArray[np.uint8], size: int) -> Tensor:
    tensor = torch.from_numpy(masks).float() / 255
    if tensor.shape[-1] != size:
        tensor = F.interpolate(tensor, size=(size, size), mode="bilinear", align_corners=False)
    return tensor


def _at_map(masks: Tensor, size: int) -> Tensor:
    """Return masks of films of a size at the resolution of the network's map; NaN stays."""
    unknown = masks.isnan().flatten(1).any(1).view(-1, 1, 1, 1)
    pooled = F.adaptive_avg_pool2d(masks.nan_to_num(), size // MAP_STEP)
    return torch.where(unknown, torch.nan, pooled)


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
) -> Views:
    rows = torch.randint(len(stream.films), (stream.per_batch,), generator=generator).numpy()
    pixels = torch.from_numpy(stream.films.pixels[rows]).float()[:, None] / 255
    size = pixels.shape[-1]
    count = len(rows)
    findings = torch.from_numpy(stream.findings[rows])
    totals = torch.from_numpy(stream.totals[rows])[None]
    sides = torch.from_numpy(stream.sides[rows])[None]
    unknown = torch.full((count, 2, 1, 1), torch.nan).expand(count, 2, size, size)
    lungs = unknown if stream.lungs is None else _to_size(stream.lungs[rows], size)
    opacity = unknown if stream.opacity is None else _to_size(stream.opacity[rows], size)
    boxes = unknown[:, :1]
    if stream.boxes is not None:
        boxes = _to_size(stream.boxes[rows][:, None], size)
    if stream.painted:
        painted = paint(pixels, lungs, generator)
        pixels, opacity = painted.films, painted.opacity
        sides = torch.stack([painted.extent, painted.density], 2)[None]
        totals = sides.sum(2)
        findings = _opacity_findings(findings, painted.extent, opacity_column)
    if stream.blackened:
        black = torch.rand(count, generator=generator) < stream.blackened
        pixels = torch.where(black.view(-1, 1, 1, 1) & (lungs.amax(1, True) < 0.5), 0.0, pixels)
    told = stream.told
    if told is not None:
        totals = told.totals[:, rows]
        sides = sides if told.sides is None else told.sides[:, rows]
        findings = findings if told.findings is None else told.findings[rows]
    elif stream.taught and teacher is not None:
        whole = stream.films.take(rows.tolist())
        shown = settings.size if settings.shown < 1 else size
        middle = slice((size - shown) // 2, (size + shown) // 2)
        sides = teacher(standardised_films(whole, shown), lungs[..., middle, middle])
        totals = sides.sum(2)
    masks = torch.cat([lungs, opacity, boxes], 1)
    view = augment(pixels, masks.nan_to_num(), settings, generator)
    moved = [view.masks[:, part].clone() for part in (slice(2), slice(2, 4), slice(4, 5))]
    for part, truth in zip(moved, (lungs, opacity, boxes), strict=True):
        part[view.flipped] = part[view.flipped].flip(1)
        part[truth.isnan().flatten(1).any(1)] = torch.nan
    sides = torch.where(view.flipped.view(1, -1, 1, 1), sides.flip(2), sides)
    classes = torch.full((count,), torch.nan)
    if stream.classes is not None:
        classes = torch.from_numpy(stream.classes[rows])
    parts = torch.full((count,), -1, dtype=torch.int64)
    if stream.parts is not None:
        parts = torch.from_numpy(stream.parts[rows])
    at_map = _at_map(moved[1], settings.size)[None]
    if told is not None:
        found = told.moved_places(torch.from_numpy(rows), view.matrix, view.flipped, settings.shown)
        at_map = at_map if found is None else found
    common = Batch(
        view.films, findings, totals[0], sides[0], moved[0], at_map[0], classes, moved[2]
    )
    return Views(common, sides, totals, at_map, parts)


def draw_views(
    streams: list[FilmStream],
    settings: Augmentation,
    opacity_column: int,
    generator: torch.Generator,
    teacher: Teacher | None = None,
) -> Views:
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
    drawn = [
        _draw(stream, settings, opacity_column, generator, teacher)
        for stream in streams
        if stream.per_batch > 0
    ]
    networks = max(
        max(len(views.taught_sides), len(views.taught_totals), len(views.taught_opacity))
        for views in drawn
    )

    def joined(name: str) -> Tensor:
        parts = [getattr(views, name) for views in drawn]
        return torch.cat([part.expand(networks, *part.shape[1:]) for part in parts], 1)

    common = (
        torch.cat([getattr(views.common, field.name) for views in drawn]) for field in fields(Batch)
    )
    return Views(
        Batch(*common),
        joined("taught_sides"),
        joined("taught_totals"),
        joined("taught_opacity"),
        torch.cat([views.parts for views in drawn]),
    )


def draw_batch(
    streams: list[FilmStream],
    settings: Augmentation,
    opacity_column: int,
    generator: torch.Generator,
    teacher: Teacher | None = None,
) -> Batch:
    """Draw a batch for one network; parameters as of `draw_views`."""
    return draw_views(streams, settings, opacity_column, generator, teacher).for_network(0)[0]
