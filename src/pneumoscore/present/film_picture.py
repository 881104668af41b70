"""Pictures of a score: the film with its contribution map, and the film explained.

A picture shows the film, the numbers and the notice, and nothing else that the file says of
the patient.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.present.lettering import (
    FAINT_INK,
    INK,
    NOTICE_INK,
    PAPER,
    SMALL_TEXT,
    describe,
    describe_flags,
    describe_model,
    draw_lines,
    line_height,
    picture_info,
    wrap,
)
from pneumoscore.present.panel import (
    Panel,
    contribution_panel,
    film_panel,
    panel_image,
    saliency_panel,
)
from pneumoscore.radiograph.types import Radiograph
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["explain_image", "overlay_image", "save_picture"]

_MAX_SIDE = 900
_PANEL_SIDE = 640
_MIN_SIDE = 320
_MARGIN = 14
_TEXT = 17

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]
_PanelMaker = Callable[[Pixels, Score, ScaleScore], Panel]


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
    return _picture(radiograph, score, scale_name, "overlay", _MAX_SIDE, [contribution_panel])


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
    panels: list[_PanelMaker] = [film_panel, contribution_panel, partial(saliency_panel, saliency)]
    return _picture(radiograph, score, scale_name, "explanation", _PANEL_SIDE, panels)


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


def _picture(
    radiograph: Radiograph,
    score: Score,
    scale_name: str,
    kind: str,
    longest: int,
    panels: Sequence[_PanelMaker],
) -> Image:
    """Return a picture of the given kind, its films' longer side at most `longest` pixels."""
    part = _part(score, scale_name)
    grey = _reduced(radiograph, score, longest)
    drawn = [panel(grey, score, part) for panel in panels]
    return _composed(drawn, score, f"PneumoScore {kind}: {part.scale.title}")


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


def _composed(panels: list[Panel], score: Score, title: str) -> Image:
    """Return the panels side by side between the score's lines and the notice."""
    from PIL import Image, ImageDraw

    wide = max(panels[0].pixels.shape[1], _MIN_SIDE)
    width = len(panels) * (wide + _MARGIN) + _MARGIN
    room = width - 2 * _MARGIN
    scores = [line for part in score.scales for line in wrap(describe(part), _TEXT, room)]
    above = [(_TEXT, INK, line) for line in scores]
    above += [
        (SMALL_TEXT, FAINT_INK, line) for line in wrap(describe_flags(score), SMALL_TEXT, room)
    ]
    below = [
        (SMALL_TEXT, FAINT_INK, line) for line in wrap(describe_model(score), SMALL_TEXT, room)
    ]
    below += [(_TEXT, NOTICE_INK, line) for line in wrap(RESEARCH_NOTICE, _TEXT, room)]
    panel_top = 2 * _MARGIN + _height(above)
    drawn = [panel_image(panel, wide) for panel in panels]
    height = panel_top + max(image.height for image in drawn) + _height(below) + 2 * _MARGIN

    canvas = Image.new("RGB", (width, height), PAPER)
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
