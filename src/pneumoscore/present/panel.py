"""Panels of a picture: the film bare, under its contribution map, under its saliency map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.present.colour import blend
from pneumoscore.present.lettering import (
    FAINT_INK,
    INK,
    PAPER,
    SMALL_TEXT,
    describe_sides,
    draw_lines,
    font,
    line_height,
    wrap,
)
from pneumoscore.radiograph.prepare import film_map
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.score import ScaleScore, Score

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Panel", "contribution_panel", "film_panel", "panel_image", "saliency_panel"]

_BAR = 14

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One film of a picture with what stands above and below it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 3)
        The film, with or without a map over it.
    title : str
        Its first line.
    sides : tuple of str
        What stands over the image's left and right half.
    bar : tuple of float or None
        The colour bar's ends, in [-1, 1]; None for no bar.
    ticks : tuple of str
        Numbers under the bar, evenly spread from end to end.
    unit : str
        What the numbers mean, or why there is no map.
    """

    pixels: Pixels
    title: str
    sides: tuple[str, str] = ("", "")
    bar: tuple[float, float] | None = None
    ticks: tuple[str, ...] = ()
    unit: str = ""


def film_panel(grey: Pixels, score: Score, part: ScaleScore) -> Panel:
    """Return the bare film.

    Parameters
    ----------
    grey : ndarray of uint8, shape (rows, columns)
        The film as the picture shows it.
    score : Score
        Its score.
    part : ScaleScore
        The scale that the picture is about.
    """
    return Panel(np.repeat(grey[..., None], 3, axis=2), "Film")


def contribution_panel(grey: Pixels, score: Score, part: ScaleScore) -> Panel:
    """Return the film under the contribution map of `part`; bare where there is none.

    Parameters
    ----------
    grey, score, part
        As for `film_panel`.
    """
    title = f"Contribution to {part.scale.title.lower()}"
    panel = replace(film_panel(grey, score, part), title=title, sides=describe_sides(part))
    values = part.contributions
    if values is None:
        return replace(panel, unit="This head has no contribution map")
    unit = f"score points per place ({values.shape[0]} x {values.shape[1]} places)"
    return _with_map(replace(panel, unit=unit), score.placement, values)


def saliency_panel(saliency: Values | None, grey: Pixels, score: Score, part: ScaleScore) -> Panel:
    """Return the film under a saliency map; bare where there is none or it is zero.

    Parameters
    ----------
    saliency : ndarray, shape (input size, input size), or None
        Of the backbone's input, at least 0.
    grey, score, part
        As for `film_panel`.
    """
    panel = replace(film_panel(grey, score, part), title="Saliency (Cohen et al. 2020)")
    if saliency is None:
        return replace(panel, unit="No saliency map")
    if not saliency.max() > 0.0:
        return replace(panel, unit="The saliency map is zero")
    unit = "relative to the strongest place of this film"
    return _with_map(replace(panel, unit=unit), score.placement, saliency, end=1.0)


def _with_map(
    panel: Panel, placement: Placement, values: Values, end: float | None = None
) -> Panel:
    """Lay a map over a panel's film, with its colour bar.

    The number at the bar's end is `end`, or the map's largest magnitude where that is None.
    """
    grey = panel.pixels[..., 0]
    largest = float(np.abs(values).max())
    shown = _on_picture(values, placement, (grey.shape[0], grey.shape[1]))
    relative = shown / largest if largest > 0.0 else np.zeros_like(shown)
    low = -1.0 if values.min() < 0.0 else 0.0
    high = largest if end is None else end
    ticks = (f"{low * high:.2g}", "0", f"{high:.2g}")
    return replace(
        panel,
        pixels=blend(grey, relative),
        bar=(low, 1.0),
        ticks=ticks if low < 0.0 else ticks[1:],
    )


def _on_picture(values: Values, placement: Placement, shape: tuple[int, int]) -> Values:
    """Spread a map of the backbone's input over the film as the picture shows it."""
    rows, columns = placement.film_shape
    ratio = max(rows, columns) / max(shape)
    shown = Placement(placement.scale * ratio, placement.top, placement.left, shape)
    return film_map(values, shown, _input_size(placement))


def _input_size(placement: Placement) -> int:
    """Return rows and columns of the input: a cropped film fills it with its shorter side."""
    cropped = min(placement.top, placement.left) < -0.5
    side = min(placement.film_shape) if cropped else max(placement.film_shape)
    return max(1, round(side * placement.scale))


def panel_image(panel: Panel, wide: int) -> Image:
    """Return a panel drawn `wide` pixels wide: title, sides, film, bar with its ticks, unit."""
    from PIL import Image, ImageDraw

    rows, columns = panel.pixels.shape[:2]
    head = 2 * line_height(SMALL_TEXT)
    unit = wrap(panel.unit, SMALL_TEXT, wide)
    foot = _BAR + 10 + (1 + len(unit)) * line_height(SMALL_TEXT)
    image = Image.new("RGB", (wide, head + rows + foot), PAPER)
    draw = ImageDraw.Draw(image)
    draw_lines(draw, wrap(panel.title, SMALL_TEXT, wide)[:1], (0, 0), SMALL_TEXT)
    left = (wide - columns) // 2
    right_word, left_word = panel.sides
    draw.text((0, line_height(SMALL_TEXT)), right_word, font=font(SMALL_TEXT), fill=INK)
    end = wide - round(font(SMALL_TEXT).getlength(left_word))
    draw.text((end, line_height(SMALL_TEXT)), left_word, font=font(SMALL_TEXT), fill=INK)
    image.paste(Image.fromarray(panel.pixels), (left, head))
    top = head + rows + 6
    if panel.bar is not None:
        low, high = panel.bar
        steps = np.linspace(low, high, wide)
        # Drawn as the map is: over mid-grey, fading out with the magnitude.
        bar = blend(np.full((_BAR, wide), 64, np.uint8), np.broadcast_to(steps, (_BAR, wide)))
        image.paste(Image.fromarray(bar), (0, top))
        for number, tick in enumerate(panel.ticks):
            length = font(SMALL_TEXT).getlength(tick)
            at = (wide - length) * number / (len(panel.ticks) - 1)
            draw.text((round(at), top + _BAR + 2), tick, font=font(SMALL_TEXT), fill=INK)
        top += _BAR + 2 + line_height(SMALL_TEXT)
    draw_lines(draw, unit, (0, top), SMALL_TEXT, FAINT_INK)
    return image
