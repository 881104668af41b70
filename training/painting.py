"""Opacities of known extent and density painted into the lungs of films.

A painted film has exact truth: the share of each lung involved, its density, and the place of
every opacity. The scores given to it follow the scales' definitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PaintedFilms", "extent_of_share", "opacity_of_density", "paint"]

_LEAST_ALPHA = 0.12


@dataclass(frozen=True, slots=True)
class PaintedFilms:
    """Films with painted opacities and their truth.

    Attributes
    ----------
    films : Tensor, shape (n, 1, rows, columns)
        Values in [0, 1].
    opacity : Tensor, shape (n, 2, rows, columns)
        Opacity mask of each lung, in [0, 1].
    extent : Tensor, shape (n, 2)
        Geographic extent of each lung, 0-4.
    density : Tensor, shape (n, 2)
        Opacity of each lung on the RALO scale, 0-4.
    """

    films: Tensor
    opacity: Tensor
    extent: Tensor
    density: Tensor


def extent_of_share(share: Tensor) -> Tensor:
    """Geographic extent of a lung, 0-4, as readers give it for an involved share.

    Readers give 1 for anything under 25 % and read more than is outlined: on the masked films
    of patients without a score of their own, the rescaled Brixia rating is 0.85 times four
    times the outlined share of both lungs, plus 1.4.

    Parameters
    ----------
    share : Tensor
        Involved share of the lung, in [0, 1].
    """
    return (3.6 * share + 0.8 * (share / 0.08).clamp(max=1)).clamp(max=4)


def opacity_of_density(alpha: Tensor, share: Tensor) -> Tensor:
    """Opacity of a lung on the RALO scale, 0-4, from the mean blending weight of its opacities.

    Parameters
    ----------
    alpha : Tensor
        Mean weight, in [0, 1]: ground glass up to about 0.35, consolidation from 0.55.
    share : Tensor
        Involved share of the lung.
    """
    grade = torch.where(
        alpha < 0.55,
        1.0 + (alpha - 0.12) * (1.2 / 0.43),
        2.2 + (alpha - 0.55) * (1.2 / 0.35),
    ).clamp(min=0.8, max=3.4)
    white = ((share - 0.8) / 0.2).clamp(0, 1) * ((alpha - 0.75) / 0.2).clamp(0, 1)
    return (grade + 0.6 * white) * (share / 0.05).clamp(max=1)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _noise(count: int, size: int, cells: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Smooth noise of several scales, mean 0 and deviation about 1, shape (n, 1, size, size)."""
    total = torch.zeros(count, 1, size, size)
    for cell in cells:
        weight = _uniform((count, 1, 1, 1), 0.2, 1.0, generator)
        coarse = torch.randn(count, 1, cell, cell, generator=generator)
        total += weight * F.interpolate(coarse, size=(size, size), mode="bicubic")
    return total / total.std((2, 3), keepdim=True).clamp(min=1e-3)


def _priors(lungs: Tensor, generator: torch.Generator) -> Tensor:
    """Where disease prefers to lie: basal or apical, peripheral or perihilar."""
    count, _, rows, columns = lungs.shape
    both = lungs.sum(1, keepdim=True)
    height = torch.linspace(-1, 1, rows).view(1, 1, rows, 1)
    centre = (both * height).sum((2, 3), keepdim=True) / both.sum((2, 3), keepdim=True).clamp(min=1)
    basal = (height - centre).expand(count, 1, rows, columns) * 2.5
    core = F.avg_pool2d(both, 21, stride=1, padding=10)
    peripheral = (0.5 - core) * 4
    basal_weight = 0.5 + 0.7 * torch.randn(count, 1, 1, 1, generator=generator)
    peripheral_weight = 0.4 + 0.6 * torch.randn(count, 1, 1, 1, generator=generator)
    return basal_weight * basal + peripheral_weight * peripheral


def _draw_shares(count: int, generator: torch.Generator) -> Tensor:
    """Involved share of each lung, shape (n, 2): mostly correlated, one lung often spared."""
    common = torch.rand(count, 1, generator=generator)
    together = common + 0.22 * torch.randn(count, 2, generator=generator)
    apart = torch.rand(count, 2, generator=generator)
    independent = torch.rand(count, 1, generator=generator) < 0.3
    shares = torch.where(independent, apart, together)
    shares = torch.where(torch.rand(count, 2, generator=generator) < 0.12, 0.0, shares)
    healthy = torch.rand(count, 1, generator=generator) < 0.12
    shares = torch.where(healthy, 0.0, shares.clamp(0, 1))
    return torch.where(shares < 0.015, 0.0, shares)


def _threshold(field: Tensor, lung: Tensor, share: Tensor) -> Tensor:
    """Value of the field that leaves `share` of the lung above it, one for each film."""
    thresholds = []
    for values, mask, part in zip(field, lung, share, strict=True):
        inside = values[0][mask > 0.5]
        if len(inside) < 10 or part <= 0:
            thresholds.append(values.new_tensor(1e9))
        elif part >= 1:
            thresholds.append(inside.min() - 10)
        else:
            rank = max(1, min(len(inside), round(float(1 - part) * len(inside))))
            thresholds.append(inside.kthvalue(rank).values)
    return torch.stack(thresholds).view(-1, 1, 1, 1)


def _dense_level(films: Tensor, lungs: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness that a wholly consolidated lung has on each film: about the mediastinum's."""
    levels = []
    for film, lung in zip(films[:, 0], lungs.sum(1), strict=True):
        rows, columns = (2 * found for found in torch.nonzero(lung > 0.5, as_tuple=True))
        if len(rows) < 10:
            levels.append(film.new_tensor(0.8))
            continue
        box = film[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        levels.append(torch.quantile(box.flatten()[::7], 0.88))
    level = torch.stack(levels).view(-1, 1, 1, 1)
    return (level * _uniform((len(films), 1, 1, 1), 0.88, 1.05, generator)).clamp(max=1)


def _weight_changes(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return changes of the blending weight: consolidation, grain and air bronchograms."""
    patches = _noise(count, size, (5, 10, 20), generator)
    spread = _uniform((count, 1, 1, 1), 0.02, 0.18, generator)
    grain = _uniform((count, 1, 1, 1), 0.0, 0.05, generator)
    texture = torch.randn(count, 1, size, size, generator=generator)
    # Air-filled bronchi stay dark where consolidation surrounds them.
    bronchi = torch.exp(-((_noise(count, size, (10, 20), generator) / 0.08) ** 2))
    seen = (torch.rand(count, 1, 1, 1, generator=generator) < 0.4).float()
    return spread * patches + grain * texture - 0.25 * seen * bronchi


def _larger(field: Tensor, size: int) -> Tensor:
    return F.interpolate(field, size=(size, size), mode="bilinear", align_corners=False)


def paint(films: Tensor, lungs: Tensor, generator: torch.Generator) -> PaintedFilms:
    """Paint opacities into the lungs of films.

    The opacities are drawn at half the films' resolution, which is finer than their edges.

    Parameters
    ----------
    films : Tensor, shape (n, 1, size, size)
        Films without opacities, values in [0, 1].
    lungs : Tensor, shape (n, 2, size, size)
        Probability of each lung.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    PaintedFilms
    """
    count, _, size, _ = films.shape
    half = size // 2
    lungs = F.avg_pool2d(lungs, 2)
    shares = _draw_shares(count, generator)
    severity = shares.mean(1, keepdim=True)
    base = 0.2 + 0.42 * severity + 0.2 * torch.randn(count, 1, generator=generator)
    base = (base + 0.08 * torch.randn(count, 2, generator=generator)).clamp(0.15, 0.92)
    field = _noise(count, half, (3, 5, 9, 18), generator)
    field = field + 0.6 * _priors(lungs, generator)
    softness = _uniform((count, 1, 1, 1), 0.15, 1.1, generator)
    weight = _weight_changes(count, half, generator)
    level = _dense_level(films, lungs, generator)
    inside_lung = (lungs > 0.5).float()
    blurred = F.avg_pool2d(inside_lung, 7, stride=1, padding=3)
    edge = torch.minimum(blurred * 1.3, lungs).clamp(max=1)
    masks, alphas = [], []
    for side in range(2):
        threshold = _threshold(field, lungs[:, side], shares[:, side])
        inside = torch.sigmoid((field - threshold) / softness * 3)
        masks.append(inside)
        dense = (base[:, side].view(-1, 1, 1, 1) + weight).clamp(_LEAST_ALPHA, 0.97)
        alphas.append(inside * dense)
    mask = torch.cat(masks, 1) * inside_lung
    alpha = torch.cat(alphas, 1)
    involved = (mask > 0.5).float()
    area = inside_lung.sum((2, 3)).clamp(min=1)
    share = involved.sum((2, 3)) / area
    mean_alpha = (alpha * involved).sum((2, 3)) / involved.sum((2, 3)).clamp(min=1)
    density = torch.where(share > 0, opacity_of_density(mean_alpha, share), 0.0)
    blend = _larger((alpha * edge).sum(1, keepdim=True), size)
    return PaintedFilms(
        films=(films + blend * (level - films).clamp(min=-0.05)).clamp(0, 1),
        opacity=_larger(mask, size),
        extent=extent_of_share(share),
        density=density,
    )
