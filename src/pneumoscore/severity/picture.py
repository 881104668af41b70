"""Pictures of a score: the film with its contribution map, and the film explained.

A picture shows the film, the numbers and the notice, and nothing else that the file says of
the patient.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.radiograph.prepare import film_map
from pneumoscore.radiograph.types import Placement, Radiograph
from pneumoscore.severity.picture_colour import blend
from pneumoscore.severity.picture_text import (
    FAINT_INK,
    INK,
    NOTICE_INK,
    describe,
    describe_flags,
    describe_model,
    describe_sides,
    draw_lines,
    font,
    line_height,
    picture_info,
    wrap,
)
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["explain_image", "overlay_image", "save_picture"]

_MAX_SIDE = 900
_PANEL_SIDE = 640
_MIN_SIDE = 320
_MARGIN = 14
_TEXT = 17
_SMALL = 14
_BAR = 14
_PAPER = (18, 18, 20)

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """One film of a picture with what stands above and below it."""

    pixels: Pixels
    title: str
    sides: tuple[str, str] = ("", "")
    bar: tuple[float, float] | None = None
    ticks: tuple[str, ...] = ()
    unit: str = ""


def overlay_image(radiograph: Radiograph, score: Score, scale_name: str) -> Image:
    """Return the film with one scale's contribution map over it.

    Parameters
    ----------
    radiograph : Radiograph
        The film that was scored.
    score : Score
        Its score.
    scale_name : str
        Whose contribution map is drawn.

    Returns
    -------
    PIL.Image.Image
        RGB; the film's longer side is at most 900 pixels. Its ``info`` holds the scores and
        the notice, which `save_picture` writes into the file.

    Raises
    ------
    ModelError
        If the score has no such scale.
    ValueError
        If the score is of a film of another shape.
    """
    part = _part(score, scale_name)
    grey = _reduced(radiograph, score, _MAX_SIDE)
    panel = _contribution_panel(grey, score, part)
    return _composed([panel], score, f"PneumoScore overlay: {part.scale.title}")


def explain_image(
    radiograph: Radiograph, score: Score, saliency: Values | None, scale_name: str
) -> Image:
    """Return film, contribution map and saliency map side by side, with the scores.

    Parameters
    ----------
    radiograph : Radiograph
        The film that was scored.
    score : Score
        Its score.
    saliency : ndarray, shape (input size, input size), or None
        Of the backbone's input, at least 0; see `pneumoscore.severity.saliency`.
    scale_name : str
        Whose maps are drawn.

    Returns
    -------
    PIL.Image.Image
        RGB; each film's longer side is at most 640 pixels. Its ``info`` holds the scores and
        the notice, which `save_picture` writes into the file.

    Raises
    ------
    ModelError
        If the score has no such scale.
    ValueError
        If the score is of a film of another shape.
    """
    part = _part(score, scale_name)
    grey = _reduced(radiograph, score, _PANEL_SIDE)
    panels = [
        _Panel(np.repeat(grey[..., None], 3, axis=2), "Film"),
        _contribution_panel(grey, score, part),
        _saliency_panel(grey, score, saliency),
    ]
    return _composed(panels, score, f"PneumoScore explanation: {part.scale.title}")


def save_picture(image: Image, path: str | os.PathLike[str]) -> None:
    """Write a picture as PNG, as a whole or not at all, with its texts.

    Parameters
    ----------
    image : PIL.Image.Image
        From `overlay_image` or `explain_image`.
    path : path
        The file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for keyword, text in image.info.items():
        if isinstance(keyword, str) and isinstance(text, str):
            texts.add_itxt(keyword, text) if not text.isascii() else texts.add_text(keyword, text)
    stream = io.BytesIO()
    image.save(stream, format="PNG", pnginfo=texts)
    write_atomically(Path(path), stream.getvalue())


def _part(score: Score, scale_name: str) -> ScaleScore:
    try:
        return score[scale_name]
    except KeyError:
        known = ", ".join(item.scale.name for item in score.scales)
        raise ModelError(f"the score has no scale {scale_name!r}", f"one of {known}") from None


def _reduced(radiograph: Radiograph, score: Score, longest: int) -> Pixels:
    """Return the film as grey levels, its longer side between 320 and `longest` pixels."""
    from PIL import Image

    shape = radiograph.pixels.shape
    if shape != score.placement.film_shape:
        raise ValueError(
            f"the film has shape {shape}; expected {score.placement.film_shape}, the scored film's"
        )
    longer = max(shape)
    wanted = min(max(longer, _MIN_SIDE), longest)
    rows, columns = (max(1, round(side * wanted / longer)) for side in shape)
    image = Image.fromarray(radiograph.pixels)
    if (rows, columns) != shape:
        image = image.resize((columns, rows), Image.Resampling.BILINEAR)
    levels: Pixels = np.round(np.clip(np.asarray(image), 0.0, 1.0) * 255.0).astype(np.uint8)
    return levels


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


def _contribution_panel(grey: Pixels, score: Score, part: ScaleScore) -> _Panel:
    title = f"Contribution to {part.scale.title.lower()}"
    sides = describe_sides(part)
    if part.contributions is None:
        unit = "This head has no contribution map"
        return _Panel(np.repeat(grey[..., None], 3, axis=2), title, sides, unit=unit)
    values = part.contributions
    largest = float(np.abs(values).max())
    shown = _on_picture(values, score.placement, (grey.shape[0], grey.shape[1]))
    relative = shown / largest if largest > 0.0 else np.zeros_like(shown)
    low = -1.0 if values.min() < 0.0 else 0.0
    ends = (f"{low * largest:.2g}", "0", f"{largest:.2g}")
    return _Panel(
        blend(grey, relative),
        title,
        sides,
        bar=(low, 1.0),
        ticks=ends if low < 0.0 else ends[1:],
        unit=f"score points per place ({values.shape[0]} x {values.shape[1]} places)",
    )


def _saliency_panel(grey: Pixels, score: Score, saliency: Values | None) -> _Panel:
    title = "Saliency (Cohen et al. 2020)"
    largest = 0.0 if saliency is None else float(saliency.max())
    if saliency is None or not largest > 0.0:
        unit = "No saliency map" if saliency is None else "The saliency map is zero"
        return _Panel(np.repeat(grey[..., None], 3, axis=2), title, unit=unit)
    shown = _on_picture(saliency, score.placement, (grey.shape[0], grey.shape[1])) / largest
    return _Panel(
        blend(grey, shown),
        title,
        bar=(0.0, 1.0),
        ticks=("0", "1"),
        unit="relative to the strongest place of this film",
    )


def _composed(panels: list[_Panel], score: Score, title: str) -> Image:
    """Return the panels side by side between the score's lines and the notice."""
    from PIL import Image, ImageDraw

    wide = max(panels[0].pixels.shape[1], _MIN_SIDE)
    width = len(panels) * (wide + _MARGIN) + _MARGIN
    room = width - 2 * _MARGIN
    scores = [line for part in score.scales for line in wrap(describe(part), _TEXT, room)]
    above = [(_TEXT, INK, line) for line in scores]
    above += [(_SMALL, FAINT_INK, line) for line in wrap(describe_flags(score), _SMALL, room)]
    below = [(_SMALL, FAINT_INK, line) for line in wrap(describe_model(score), _SMALL, room)]
    below += [(_TEXT, NOTICE_INK, line) for line in wrap(RESEARCH_NOTICE, _TEXT, room)]
    panel_top = 2 * _MARGIN + _height(above)
    drawn = [_panel_image(panel, wide) for panel in panels]
    height = panel_top + max(image.height for image in drawn) + _height(below) + 2 * _MARGIN

    canvas = Image.new("RGB", (width, height), _PAPER)
    for number, image in enumerate(drawn):
        canvas.paste(image, (_MARGIN + number * (wide + _MARGIN), panel_top))
    draw = ImageDraw.Draw(canvas)
    for top, lines in ((_MARGIN, above), (height - _MARGIN - _height(below), below)):
        for size, ink, line in lines:
            top += draw_lines(draw, [line], (_MARGIN, top), size, ink)
    canvas.info.update(picture_info(score, title))
    return canvas


def _height(lines: list[tuple[int, tuple[int, int, int], str]]) -> int:
    return sum(line_height(size) for size, _, _ in lines)


def _panel_image(panel: _Panel, wide: int) -> Image:
    """Return one panel: title, sides, film, colour bar with its ticks, unit."""
    from PIL import Image, ImageDraw

    rows, columns = panel.pixels.shape[:2]
    head = 2 * line_height(_SMALL)
    unit = wrap(panel.unit, _SMALL, wide)
    foot = _BAR + 10 + (1 + len(unit)) * line_height(_SMALL)
    image = Image.new("RGB", (wide, head + rows + foot), _PAPER)
    draw = ImageDraw.Draw(image)
    draw_lines(draw, wrap(panel.title, _SMALL, wide)[:1], (0, 0), _SMALL)
    left = (wide - columns) // 2
    right_word, left_word = panel.sides
    draw.text((0, line_height(_SMALL)), right_word, font=font(_SMALL), fill=INK)
    end = wide - round(font(_SMALL).getlength(left_word))
    draw.text((end, line_height(_SMALL)), left_word, font=font(_SMALL), fill=INK)
    image.paste(Image.fromarray(panel.pixels), (left, head))
    top = head + rows + 6
    if panel.bar is not None:
        low, high = panel.bar
        steps = np.linspace(low, high, wide)
        # Drawn as the map is: over mid-grey, fading out with the magnitude.
        bar = blend(np.full((_BAR, wide), 64, np.uint8), np.broadcast_to(steps, (_BAR, wide)))
        image.paste(Image.fromarray(bar), (0, top))
        for number, tick in enumerate(panel.ticks):
            length = font(_SMALL).getlength(tick)
            at = (wide - length) * number / (len(panel.ticks) - 1)
            draw.text((round(at), top + _BAR + 2), tick, font=font(_SMALL), fill=INK)
        top += _BAR + 2 + line_height(_SMALL)
    draw_lines(draw, unit, (0, top), _SMALL, FAINT_INK)
    return image
