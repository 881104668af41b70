"""The small lung network that finds the frame around the lungs when a film is scored.

It is taught by expert outlines where there are any, and by the larger lung network elsewhere:
the outline of a normal film holds whatever opacities are painted into it, so the small network
learns to see lungs through them. Films are shown wide, cut, and inside borders of any grey.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pneumoscore.radiograph.types import InputSpec, PixelRange, Squaring
from training.augment import Augmentation, augment
from training.exclusions import find_exclusions
from training.films import FilmArrays, corpus_films, folder_films, read_corpus_index
from training.lungs import (
    LungNet,
    lung_training_films,
    outline_lungs,
    split_sides,
    stored_outlines,
)
from training.network import channels_last
from training.painting import paint
from training.precision import mixed_precision

__all__ = [
    "FINDER_SIZE",
    "FINDER_STEPS",
    "FINDER_WIDTHS",
    "OutlinedFilms",
    "finder_films",
    "train_lung_finder",
]

_LOGGER = logging.getLogger(__name__)
FINDER_SIZE = 96
FINDER_WIDTHS = (8, 16, 32, 64)
FINDER_STEPS = 500
_VIEWS = Augmentation(
    size=FINDER_SIZE, rotation_degrees=15, shift=0.12, zoom=0.5, stretch=0.25, curve=0.6, shade=0.1
)
_WHOLE = InputSpec(224, Squaring.PAD, PixelRange.UNIT)
_LEAST_LUNG, _MOST_LUNG = 0.03, 0.35  # of the film, for each lung of a usable outline
_BORDERED = 0.35  # of the films, with a border that is not as grey as their mean


@dataclass(frozen=True, slots=True, eq=False)
class OutlinedFilms:
    """Films with lung outlines.

    Attributes
    ----------
    films : FilmArrays
        n films.
    sides : ndarray of uint8, shape (n, 2, rows, columns)
        Probability of each lung, times 255.
    per_batch : int
        How many are drawn into each batch.
    painted : bool
        Whether opacities are painted into the films.
    """

    films: FilmArrays
    sides: NDArray[np.uint8]
    per_batch: int
    painted: bool = False


def finder_films(data: Path, lungs: Path) -> list[OutlinedFilms]:
    """Return the films that teach the finder, none of a scored patient.

    Parameters
    ----------
    data : Path
        Data folder.
    lungs : Path
        Checkpoint of the larger lung network, which outlines what experts did not.
    """
    teacher = LungNet()
    teacher.load_state_dict(torch.load(lungs, weights_only=True)["network"])
    teacher.eval()
    barred = find_exclusions(data).of_any_scored_patient
    films, masks = lung_training_films(data, barred, _WHOLE)
    fitted = np.flatnonzero(np.arange(len(films)) % 10 != 0)  # every tenth measures
    outlines = split_sides((masks[fitted] > 0).astype(np.float32))
    index = [
        row
        for row in read_corpus_index(data / "corpus" / "index.csv")
        if f"{row.archive}/{row.file}" not in barred
    ]

    def corpus(archive: str, normal: bool, count: int) -> FilmArrays:
        rows = [
            row for row in index if row.archive == archive and _is_normal(row.findings) == normal
        ]
        names = [row.file for row in rows[:count]]
        return corpus_films(data / "corpus", archive, names, _WHOLE)

    series = [
        f"{folder}/{path.name}"
        for folder in ("cohen_other", "hannover")
        for path in sorted((data / folder).iterdir())
        if f"{folder}/{path.name}" not in barred
    ]
    return [
        OutlinedFilms(films.take(fitted.tolist()), stored_outlines(outlines), 10),
        _outlined(teacher, corpus("rsna_normal", True, 1500), 10, painted=True),
        _outlined(teacher, corpus("nih", False, 400), 4),
        _outlined(teacher, corpus("pediatric", False, 200), 2),
        _outlined(teacher, folder_films(data, series, _WHOLE), 6),
    ]


def _is_normal(findings: frozenset[str]) -> bool:
    return "No Finding" in findings


def _outlined(
    teacher: LungNet, films: FilmArrays, per_batch: int, painted: bool = False
) -> OutlinedFilms:
    """Outline films, and keep those whose lungs are found."""
    sides = stored_outlines(split_sides(outline_lungs(teacher, films)))
    area = (sides > 127).mean((2, 3))
    good = np.flatnonzero((area > _LEAST_LUNG).all(1) & (area < _MOST_LUNG).all(1))
    return OutlinedFilms(films.take(good.tolist()), sides[good], per_batch, painted)


def _draw(part: OutlinedFilms, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    rows = torch.randint(len(part.films), (part.per_batch,), generator=generator).numpy()
    pixels = torch.from_numpy(part.films.pixels[rows]).float()[:, None] / 255
    sides = torch.from_numpy(part.sides[rows]).float() / 255
    size = (pixels.shape[-2], pixels.shape[-1])
    sides = F.interpolate(sides, size=size, mode="bilinear", align_corners=False)
    if part.painted:
        pixels = paint(pixels, sides, generator).films
    view = augment(pixels, sides.sum(1, keepdim=True), _VIEWS, generator)
    return _bordered(view.films, generator), view.masks.clamp(0, 1)


def _bordered(films: Tensor, generator: torch.Generator) -> Tensor:
    """Give what lies outside some films the grey of a border, black, white or between."""
    outside = films == 0
    low, high = films.amin((1, 2, 3)), films.amax((1, 2, 3))
    share = torch.rand(len(films), generator=generator)
    share = torch.where(share < 0.5, 0.0, torch.where(share < 0.8, 1.0, share))
    grey = low + share * (high - low)
    plain = torch.rand(len(films), generator=generator) >= _BORDERED
    grey = torch.where(plain, low, grey).view(-1, 1, 1, 1)
    films = torch.where(outside, grey, films)
    mean = films.mean((2, 3), keepdim=True)
    return (films - mean) / (films.std((2, 3), keepdim=True) + 1e-3)


def train_lung_finder(
    parts: list[OutlinedFilms], *, steps: int, seed: int = 0, learning_rate: float = 4e-3
) -> LungNet:
    """Train the small lung network.

    Parameters
    ----------
    parts : list of OutlinedFilms
        What each batch is drawn from.
    steps, seed, learning_rate
        Length, randomness and largest rate of the training.

    Returns
    -------
    LungNet
        In evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    net = channels_last(LungNet(FINDER_WIDTHS))
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=steps
    )
    for step in range(steps):
        drawn = [_draw(part, generator) for part in parts]
        films = torch.cat([film for film, _ in drawn])
        truth = torch.cat([mask for _, mask in drawn])
        with mixed_precision():
            logits = net(films.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        chance = logits.sigmoid()
        overlap = (chance * truth).sum((1, 2, 3))
        total = chance.sum((1, 2, 3)) + truth.sum((1, 2, 3))
        loss = F.binary_cross_entropy_with_logits(logits, truth)
        loss = loss + 1 - ((2 * overlap + 1) / (total + 1)).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            _LOGGER.info("lung finder step %d loss %.3f", step, float(loss.detach()))
    return net.eval()
