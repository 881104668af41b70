"""Random changes of films that do not change what a reader would say of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.films import FilmArrays

__all__ = [
    "WIDER",
    "Augmentation",
    "AugmentedFilms",
    "augment",
    "standardise",
    "standardised_films",
]

# How many times wider than a network's frame the films are kept that are moved at random.
WIDER = 1.2


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far films are changed.

    Attributes
    ----------
    size : int
        Rows and columns of the result.
    rotation_degrees, shift, zoom, stretch : float
        Largest rotation; largest shift as a share of the film; largest relative change of
        size, and of aspect ratio.
    flip : float
        Probability of a mirror image.
    gamma, contrast : float
        Largest relative change of the tone curve's exponent (as log) and of its slope.
    shade : float
        Largest change of brightness from the middle to an edge of the film.
    curve : float
        Largest bend of the tone curve into an S, or against one; below 1 it stays monotone.
    sharpen : float
        Largest weight of what a blurred film lacks, as edge enhancement adds it; half as much
        is taken away at most.
    noise, blur : float
        Largest standard deviation of noise, and of Gaussian blur in pixels.
    overlay : float
        Probability of lines, markers or a black border.
    shown : float
        Share of the width of the given films that an unmoved view shows.
    """

    size: int = 224
    rotation_degrees: float = 10.0
    shift: float = 0.08
    zoom: float = 0.18
    stretch: float = 0.1
    flip: float = 0.5
    gamma: float = 0.45
    contrast: float = 0.3
    shade: float = 0.0
    curve: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.03
    blur: float = 1.2
    overlay: float = 0.3
    shown: float = 1.0


@dataclass(frozen=True, slots=True)
class AugmentedFilms:
    """A batch ready for a network.

    Attributes
    ----------
    films : Tensor, shape (n, 1, size, size)
        Standardised; 0 outside the film.
    masks : Tensor, shape (n, channels, size, size)
        The masks given, moved with the film.
    flipped : Tensor of bool, shape (n,)
        Which films were mirrored.
    matrix : Tensor, shape (n, 2, 3)
        Affine maps from a view's coordinates to its film's, both in [-1, 1] (x, y).
    """

    films: Tensor
    masks: Tensor
    flipped: Tensor
    matrix: Tensor


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def standardise(films: Tensor, inside: Tensor) -> Tensor:
    """Give each film mean 0 and standard deviation 1 over its own pixels, 0 elsewhere.

    Parameters
    ----------
    films : Tensor, shape (n, 1, rows, columns)
    inside : Tensor, shape (n, 1, rows, columns)
        1 where the film is, 0 outside.

    Returns
    -------
    Tensor, shape (n, 1, rows, columns)
    """
    count = inside.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (films * inside).sum((2, 3), keepdim=True) / count
    centred = (films - mean) * inside
    spread = (centred.square().sum((2, 3), keepdim=True) / count).sqrt()
    return centred / spread.clamp(min=1e-3)


def standardised_films(films: FilmArrays, size: int | None = None) -> Tensor:
    """Return films as the network takes them, shape (n, 1, size, size).

    Parameters
    ----------
    films : FilmArrays
        n films.
    size : int, optional
        Rows and columns that are shown, in the middle; all by default.
    """
    pixels = torch.from_numpy(films.pixels).float()[:, None] / 255
    whole = pixels.shape[-1]
    inside = torch.zeros_like(pixels)
    for row, (top, left, bottom, right) in enumerate((films.inside * whole).round().astype(int)):
        inside[row, :, top:bottom, left:right] = 1
    start = (whole - (size or whole)) // 2
    middle = slice(start, whole - start)
    return standardise(pixels[..., middle, middle], inside[..., middle, middle])


def _shading(films: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Brightness rising from one edge to another, as a tilted patient or grid causes it."""
    count, _, rows, columns = films.shape
    down = torch.linspace(-1, 1, rows).view(1, 1, -1, 1)
    across = torch.linspace(-1, 1, columns).view(1, 1, 1, -1)
    slope = _uniform(2 * count, -settings.shade, settings.shade, generator)
    return slope[:count].view(-1, 1, 1, 1) * down + slope[count:].view(-1, 1, 1, 1) * across


def _tone(films: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    count = len(films)

    def column(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    gamma = column(_uniform(count, -settings.gamma, settings.gamma, generator).exp())
    slope = column(1 + _uniform(count, -settings.contrast, settings.contrast, generator))
    offset = column(_uniform(count, -0.1, 0.1, generator))
    toned = films.clamp(0, 1).pow(gamma)
    bend = column(_uniform(count, -settings.curve, settings.curve, generator))
    toned = toned + bend * toned * (1 - toned) * (2 * toned - 1)
    toned = toned + _shading(films, settings, generator)
    return ((toned - 0.5) * slope + 0.5 + offset).clamp(0, 1)


def _gaussian(films: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(2 * sigma)
    steps = torch.arange(-radius, radius + 1, dtype=films.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(films, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _blurred(films: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Blur a random half of the batch, all by one width."""
    sigma = float(torch.rand(1, generator=generator)) * settings.blur
    if sigma < 0.3:
        return films
    chosen = torch.rand(len(films), generator=generator) < 0.5
    films = films.clone()
    films[chosen] = _gaussian(films[chosen], sigma)
    return films


def _sharpened(films: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Enhance or weaken the edges of a random half of the batch, all at one width."""
    if settings.sharpen == 0:
        return films
    sigma = 1 + 9 * float(torch.rand(1, generator=generator)) ** 2
    chosen = torch.rand(len(films), generator=generator) < 0.5
    part = films[chosen]
    weight = _uniform(len(part), -0.5 * settings.sharpen, settings.sharpen, generator)
    films = films.clone()
    films[chosen] = part + weight.view(-1, 1, 1, 1) * (part - _gaussian(part, sigma))
    return films.clamp(0, 1)


def _overlaid(films: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw lines, tubes, markers and black borders on some films."""
    rows, columns = films.shape[-2:]
    films = films.clone()
    for film in films:
        if float(torch.rand(1, generator=generator)) >= settings.overlay:
            continue
        kind = int(torch.randint(3, (1,), generator=generator))
        at = torch.rand(6, generator=generator)
        if kind == 0:
            length = 4 * rows
            t = torch.linspace(0, 1, length)
            y = (at[0] + (at[1] - at[0]) * t + 0.15 * (at[4] - 0.5) * torch.sin(6 * t)) * rows
            x = (at[2] + (at[3] - at[2]) * t + 0.15 * (at[5] - 0.5) * torch.cos(5 * t)) * columns
            y, x = y.long().clamp(0, rows - 1), x.long().clamp(0, columns - 1)
            film[0, y, x] = (film[0, y, x] + 0.15 + 0.35 * at[4]).clamp(max=1)
        elif kind == 1:
            high, wide = int(4 + 14 * at[0]), int(6 + 30 * at[1])
            top, left = int(at[2] * (rows - high)), int(at[3] * (columns - wide))
            if at[2] > 0.2:
                left = 0 if at[3] < 0.5 else columns - wide
            patch = torch.rand(high, wide, generator=generator).round()
            film[0, top : top + high, left : left + wide] = patch * (0.6 + 0.4 * at[4])
        else:
            border = (at[:4] * 0.1 * rows).long().tolist()
            film[0, : border[0]] = 0
            film[0, rows - border[1] :] = 0
            film[0, :, : border[2]] = 0
            film[0, :, columns - border[3] :] = 0
    return films


def _placements(count: int, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Affine matrices from output to input coordinates, shape (n, 2, 3), without mirror."""
    angle = _uniform(count, -1, 1, generator) * math.radians(settings.rotation_degrees)
    zoom = _uniform(count, 1 - settings.zoom, 1 + settings.zoom, generator)
    stretch = _uniform(count, -settings.stretch, settings.stretch, generator).exp()
    shift = _uniform(2 * count, -settings.shift, settings.shift, generator).view(count, 2) * 2
    zoom = zoom * settings.shown
    x_scale, y_scale = zoom * stretch, zoom / stretch
    rows = [
        torch.stack([angle.cos() * x_scale, -angle.sin() * y_scale, shift[:, 0]], 1),
        torch.stack([angle.sin() * x_scale, angle.cos() * y_scale, shift[:, 1]], 1),
    ]
    return torch.stack(rows, 1)


def augment(
    films: Tensor, masks: Tensor, settings: Augmentation, generator: torch.Generator
) -> AugmentedFilms:
    """Change films and their masks at random.

    Parameters
    ----------
    films : Tensor, shape (n, 1, rows, columns)
        Values in [0, 1].
    masks : Tensor, shape (n, channels, rows, columns)
        Moved as the films are.
    settings : Augmentation
        How far.
    generator : torch.Generator
        Source of randomness.
    """
    count = len(films)
    films = _tone(films, settings, generator)
    films = _sharpened(_blurred(films, settings, generator), settings, generator)
    films = _overlaid(films, settings, generator)
    flipped = torch.rand(count, generator=generator) < settings.flip
    matrix = _placements(count, settings, generator)
    matrix[flipped, :, 0] *= -1
    grid = F.affine_grid(matrix, [count, 1, settings.size, settings.size], align_corners=False)
    moved = F.grid_sample(films, grid, padding_mode="zeros", align_corners=False)
    inside = (grid.abs().amax(-1) <= 1).float()[:, None]
    if masks.shape[1]:
        masks = F.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)
    else:
        masks = masks.new_zeros(count, 0, settings.size, settings.size)
    amplitude = _uniform(count, 0, settings.noise, generator).view(-1, 1, 1, 1)
    moved = moved + amplitude * torch.randn(moved.shape, generator=generator)
    return AugmentedFilms(standardise(moved, inside), masks, flipped, matrix)
