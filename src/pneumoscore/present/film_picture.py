"""Pictures of a score: the film with its contribution map, and the film explained.

A picture shows the film, the numbers and the notice, and nothing else that the file says of
the patient.
"""

from __future__ import annotations

import io
import os
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import FileIdentity, write
from pneumoscore.present.film_view import Film, film_view
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
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "FILM_SIDE",
    "capture_image",
    "explain_image",
    "film_jpeg",
    "map_jpeg",
    "overlay_image",
    "picture_png",
    "save_picture",
]

FILM_SIDE = 640
"""Most pixels of the longer side of a film in a picture."""
_MIN_SIDE = 320
_MARGIN = 14
_TEXT = 17
_JPEG_QUALITY = 82
_RUN_LENGTHS = 3

Values = NDArray[np.floating[Any]]


def overlay_image(film: Film, score: Score, scale_name: str) -> Image:
    """Return the film with one scale's contribution map over it.

    Parameters
    ----------
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        Pixels of the film that was scored, or of a smaller copy of it.
    score : Score
        Its score.
    scale_name : str
        Whose contribution map is drawn.

    Returns
    -------
    PIL.Image.Image
        RGB; the film's longer side is at most 640 pixels. Its ``info`` holds the scores and
        the notice, which `picture_png` writes into the file.

    Raises
    ------
    ModelError
        If the score has no such scale.
    ValueError
        If the score is of a film of another shape.
    """
    part = _part(score, scale_name)
    grey = film_view(film, score.placement, FILM_SIDE, _MIN_SIDE)
    panels = [contribution_panel(grey, score, part)]
    return _composed(panels, score, f"PneumoScore overlay: {part.scale.title}")


def explain_image(
    film: Film, score: Score, saliency: Values | None, scale_name: str, *, why: str = ""
) -> Image:
    """Return film, contribution map and saliency map side by side, with the scores.

    Parameters
    ----------
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        Pixels of the film that was scored, or of a smaller copy of it.
    score : Score
        Its score.
    saliency : ndarray, shape (input size, input size), or None
        Of the backbone's input, at least 0; see `pneumoscore.severity.saliency`. None leaves
        it out.
    scale_name : str
        Whose maps are drawn.
    why : str, optional
        Why there is no saliency map; written on the picture.

    Returns
    -------
    PIL.Image.Image
        RGB; each film's longer side is at most 640 pixels. Its ``info`` holds the scores and
        the notice, which `picture_png` writes into the file.

    Raises
    ------
    ModelError
        If the score has no such scale.
    ValueError
        If the score is of a film of another shape.
    """
    part = _part(score, scale_name)
    grey = film_view(film, score.placement, FILM_SIDE, _MIN_SIDE)
    panels = [film_panel(grey, score, part), contribution_panel(grey, score, part)]
    remark = ""
    if saliency is None:
        remark = f"No saliency map: {why}" if why else "No saliency map"
    else:
        panels.append(saliency_panel(saliency, grey, score, part))
    return _composed(panels, score, f"PneumoScore explanation: {part.scale.title}", remark)


def capture_image(film: Film, score: Score, scale_name: str) -> Image:
    """Return the film and its contribution map side by side, with the scores and the notice.

    Parameters
    ----------
    film, score, scale_name
        As for `overlay_image`.

    Returns
    -------
    PIL.Image.Image
        RGB; each film's longer side is at most 640 pixels.

    Raises
    ------
    ModelError
        If the score has no such scale.
    ValueError
        If the score is of a film of another shape.
    """
    part = _part(score, scale_name)
    grey = film_view(film, score.placement, FILM_SIDE, _MIN_SIDE)
    panels = [film_panel(grey, score, part), contribution_panel(grey, score, part)]
    return _composed(panels, score, f"PneumoScore capture: {part.scale.title}")


def picture_png(image: Image) -> bytes:
    """Return a picture as a PNG file, with its texts.

    Parameters
    ----------
    image : PIL.Image.Image
        From `overlay_image` or `explain_image`.
    """
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    for keyword, text in image.info.items():
        if isinstance(keyword, str) and isinstance(text, str):
            texts.add_itxt(keyword, text) if not text.isascii() else texts.add_text(keyword, text)
    stream = io.BytesIO()
    # Run lengths alone: a film's noise holds nothing that a search for matches would find.
    image.save(stream, format="PNG", pnginfo=texts, compress_level=1, compress_type=_RUN_LENGTHS)
    return stream.getvalue()


def save_picture(
    image: Image,
    path: str | os.PathLike[str],
    *,
    inputs: Sequence[Path] = (),
    read: Container[FileIdentity] = (),
    overwrite: bool = False,
) -> None:
    """Write a picture as PNG (`picture_png`), as a whole or not at all.

    Parameters
    ----------
    image : PIL.Image.Image
        From `overlay_image` or `explain_image`.
    path : path
        The file.
    inputs, read, overwrite
        As in `pneumoscore.files.check_output`.

    Raises
    ------
    OutputError
        If the file must not be replaced.
    OSError
        If it cannot be written.
    """
    write(Path(path), picture_png(image), inputs=inputs, read=read, overwrite=overwrite)


def film_jpeg(film: Film, score: Score, longest: int) -> bytes:
    """Return the bare film as a JPEG file, grey.

    Parameters
    ----------
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        Pixels of the film that was scored, or of a smaller copy of it.
    score : Score
        Its score.
    longest : int
        Most pixels of the longer side.
    """
    from PIL import Image

    return _jpeg(Image.fromarray(film_view(film, score.placement, longest)))


def map_jpeg(film: Film, score: Score, scale_name: str, longest: int) -> bytes:
    """Return the film with one scale's contribution map over it as a JPEG file.

    It shows nothing else; the bare film where the head has no contribution map.

    Parameters
    ----------
    film, score, longest
        As for `film_jpeg`.
    scale_name : str
        Whose contribution map is drawn.

    Raises
    ------
    ModelError
        If the score has no such scale.
    """
    from PIL import Image

    part = _part(score, scale_name)
    grey = film_view(film, score.placement, longest)
    return _jpeg(Image.fromarray(contribution_panel(grey, score, part).pixels))


def _jpeg(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def _part(score: Score, scale_name: str) -> ScaleScore:
    try:
        return score[scale_name]
    except KeyError:
        known = ", ".join(item.scale.name for item in score.scales)
        raise ModelError(f"the score has no scale {scale_name!r}", f"one of {known}") from None


def _composed(panels: list[Panel], score: Score, title: str, remark: str = "") -> Image:
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
        (SMALL_TEXT, FAINT_INK, line)
        for text in (remark, describe_model(score))
        for line in wrap(text, SMALL_TEXT, room)
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
