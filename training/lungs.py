"""A small U-Net that outlines the lungs, to know where opacities may be painted."""

from __future__ import annotations

import csv
import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pneumoscore.radiograph.types import InputSpec
from training.augment import Augmentation, augment
from training.films import FilmArrays, folder_films, placed_masks
from training.network import channels_last
from training.precision import mixed_precision

__all__ = [
    "LungNet",
    "lung_training_films",
    "outline_lungs",
    "split_sides",
    "stored_outlines",
    "train_lung_net",
]

_LOGGER = logging.getLogger(__name__)
_SIZE = 160


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [
            nn.Conv2d(width, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class LungNet(nn.Module):
    """U-Net of four levels; a standardised film (n, 1, rows, columns) to one logit a pixel.

    Parameters
    ----------
    widths : tuple of int, optional
        Channels of each level.
    """

    def __init__(self, widths: tuple[int, ...] = (12, 24, 48, 96)) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _block(i, o) for i, o in zip((1, *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList(
            _block(low + high, high)
            for low, high in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, film: Tensor) -> Tensor:
        """Return logits, shape (n, 1, rows, columns)."""
        kept: list[Tensor] = []
        x = film
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for block, skip in zip(self.up, kept[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = block(torch.cat([x, skip], 1))
        logits: Tensor = self.out(x)
        return logits


def _standardise(film: Tensor) -> Tensor:
    mean = film.mean((2, 3), keepdim=True)
    return (film - mean) / (film.std((2, 3), keepdim=True) + 1e-3)


def _dice(logits: Tensor, truth: Tensor) -> Tensor:
    overlap = (logits.sigmoid() * truth).sum((1, 2, 3))
    total = logits.sigmoid().sum((1, 2, 3)) + truth.sum((1, 2, 3))
    return (2 * overlap + 1) / (total + 1)


def train_lung_net(
    films: FilmArrays, masks: NDArray[np.uint8], *, steps: int, seed: int, batch: int = 16
) -> tuple[LungNet, float]:
    """Train a lung network; every tenth film is kept aside to measure it.

    Parameters
    ----------
    films : FilmArrays
        n films.
    masks : ndarray of uint8, shape (n, size, size)
        Non-zero = lung; of the films' size.
    steps, seed, batch : int
        Length, randomness and batch size of the training.

    Returns
    -------
    LungNet
        In evaluation mode.
    float
        Mean Dice coefficient over the films kept aside.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    pixels = torch.from_numpy(films.pixels).float()[:, None] / 255
    truth = torch.from_numpy((masks > 0).astype(np.float32))[:, None]
    kept = torch.arange(len(films)) % 10 == 0
    net = channels_last(LungNet())
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    train_rows = torch.nonzero(~kept)[:, 0]
    settings = Augmentation(size=_SIZE)
    for step in range(steps):
        rows = train_rows[torch.randint(len(train_rows), (batch,), generator=generator)]
        view = augment(pixels[rows], truth[rows], settings, generator)
        with mixed_precision():
            logits = net(view.films.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        loss = F.binary_cross_entropy_with_logits(logits, view.masks)
        loss = loss + 1 - _dice(logits, view.masks).mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            _LOGGER.info("lung network step %d loss %.3f", step, float(loss.detach()))
    net.eval()
    outlines = outline_lungs(net, films.take(torch.nonzero(kept)[:, 0].tolist()))
    small = F.interpolate(truth[kept], size=outlines.shape[-2:], mode="area")[:, 0].numpy() > 0.5
    found = outlines > 0.5
    dice = 2 * (found & small).sum((1, 2)) / (found.sum((1, 2)) + small.sum((1, 2)) + 1)
    return net, float(dice.mean())


def outline_lungs(net: LungNet, films: FilmArrays, batch: int = 64) -> NDArray[np.float32]:
    """Return the probability of lung, shape (n, 160, 160)."""
    outlines = np.zeros((len(films), _SIZE, _SIZE), dtype=np.float32)
    for start in range(0, len(films), batch):
        pixels = torch.from_numpy(films.pixels[start : start + batch]).float()[:, None] / 255
        small = F.interpolate(pixels, size=(_SIZE, _SIZE), mode="bilinear", antialias=True)
        with torch.inference_mode(), mixed_precision():
            logits = net(_standardise(small).contiguous(memory_format=torch.channels_last))
        outlines[start : start + batch] = logits.float().sigmoid()[:, 0].numpy()
    return outlines


def split_sides(outlines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Split lung outlines into the lung on the image's left and that on its right.

    The frontier is the column with the least lung between the outer thirds of the lungs.
    On a film in standard orientation the first is the patient's right lung.

    Parameters
    ----------
    outlines : ndarray of float32, shape (n, rows, columns)
        Probability of lung.

    Returns
    -------
    ndarray of float32, shape (n, 2, rows, columns)
    """
    sides = np.zeros((len(outlines), 2, *outlines.shape[1:]), dtype=np.float32)
    columns = np.arange(outlines.shape[2])
    for index, outline in enumerate(outlines):
        weight = outline.sum(axis=0)
        share = np.cumsum(weight) / max(float(weight.sum()), 1e-6)
        first, last = np.searchsorted(share, [0.25, 0.75])
        inner = slice(int(first), max(int(last), int(first) + 1))
        smooth = np.convolve(weight, np.ones(5) / 5, mode="same")
        frontier = int(first) + int(smooth[inner].argmin())
        sides[index, 0] = outline * (columns < frontier)
        sides[index, 1] = outline * (columns >= frontier)
    return sides


def stored_outlines(outlines: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Halve outlines in size, which is fine enough to paint, and store them in bytes.

    Parameters
    ----------
    outlines : ndarray of float32, shape (n, sides, rows, columns)
        Probability of lung; even numbers of rows and columns.

    Returns
    -------
    ndarray of uint8, shape (n, sides, rows / 2, columns / 2)
        Probability of lung, times 255.
    """
    count, sides, rows, columns = outlines.shape
    halved = outlines.reshape(count, sides, rows // 2, 2, columns // 2, 2).mean((3, 5))
    return np.asarray(np.clip(halved * 255 + 0.5, 0, 255), dtype=np.uint8)


def lung_training_films(
    data: Path, barred: Collection[str], spec: InputSpec, limit: int = 0
) -> tuple[FilmArrays, NDArray[np.uint8]]:
    """Return the films with lung masks that are not barred, and the masks.

    Parameters
    ----------
    data : Path
        Data folder.
    barred : collection of str
        Films that may not be used.
    spec : InputSpec
        How the films become squares.
    limit : int, optional
        Films at most; 0 for all.
    """
    with (data / "masks.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["kind"] == "lungs" and row["image"] not in barred
        ]
    rows = rows[:limit] if limit else rows
    films = folder_films(data, [row["image"] for row in rows], spec, whole=True)
    return films, placed_masks([data / "lungs" / row["file"] for row in rows], films)
