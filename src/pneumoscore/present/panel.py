"""Panels of a picture: the film bare, under its contribution map, under its saliency map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.present.colour import blend
from pneumoscore.present.film_view import map_end, map_on_view, relative_map
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
from pneumoscore.severity.score import ScaleScore, Score

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "Panel",
    "contribution_panel",
    "film_panel",
    "map_unit",
    "panel_image",
    "saliency_panel",
]

_BAR = 14
_SEEN = 0.02
"""The least share of the bar's end that can be seen as colour."""

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
    if part.contributions is None:
        return replace(panel, unit=map_unit(part))
    end = map_end(part)
    relative = relative_map(part, score.placement, grey.shape)
    marked = replace(panel, unit=map_unit(part))
    ends = (f"-{end:.2g} or less", f"{end:.2g} or more")
    return _with_map(marked, relative, end, ends)


def map_unit(part: ScaleScore) -> str:
    """Return what the colours of a contribution map mean, in words."""
    places = part.contributions
    if places is None:
        return "This head has no contribution map"
    rows, columns = places.shape
    return f"score points per place ({rows} x {columns} places), the same on every film"


def saliency_panel(saliency: Values, grey: Pixels, score: Score, part: ScaleScore) -> Panel:
    """Return the film under a saliency map; bare where it is zero.

    Parameters
    ----------
    saliency : ndarray, shape (input size, input size)
        Of the backbone's input, at least 0.
    grey, score, part
        As for `film_panel`.
    """
    panel = replace(film_panel(grey, score, part), title="Saliency (Cohen et al. 2020)")
    if not saliency.max() > 0.0:
        return replace(panel, unit="The saliency map is zero")
    unit = "relative to the strongest place of this film"
    shown = map_on_view(saliency, score.placement, grey.shape)
    return _with_map(replace(panel, unit=unit), shown / float(saliency.max()), 1.0, ("", "1"))


def _with_map(panel: Panel, relative: Values, end: float, ends: tuple[str, str]) -> Panel:
    """Lay a map over a panel's film, with its colour bar.

    `relative` is the map on the film, over the number `end` that the bar's end stands for;
    `ends` are the words at the bar's ends, the first for a map that goes below zero.
    """
    low = -1.0 if relative.min() < -_SEEN else 0.0
    ticks = (ends[0], "0", ends[1]) if low < 0.0 else ("0", f"{end / 2.0:.2g}", ends[1])
    grey = panel.pixels[..., 0]
    return replace(panel, pixels=blend(grey, relative), bar=(low, 1.0), ticks=ticks)


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
