"""One film's score as a printed page: film, map, scores on their scales, flags, identity."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pneumoscore.present.browser import marked_pdf
from pneumoscore.present.film_view import Film, film_view
from pneumoscore.present.lettering import PAPER
from pneumoscore.present.panel import contribution_panel, film_panel, panel_image
from pneumoscore.present.plot_style import ACCENT, FAINT, HIGHER, drawable, plot_file, styled
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PrintedFilm", "film_figure", "film_pdf"]

_A4 = (8.27, 11.69)
_SIDE = 560
_LEFT, _RIGHT = 0.08, 0.92
_WIDE = 90
_GAP = 20


@dataclass(frozen=True, slots=True, eq=False)
class PrintedFilm:
    """What is printed of one film.

    Attributes
    ----------
    name : str
        What the film is called.
    film : ndarray of float32 in [0, 1] or of uint8, shape (rows, columns)
        Its pixels, or a smaller copy of them.
    score : Score or None
        Its score.
    error : str
        Why there is none.
    remarks : tuple of str
        The quality flags in words, with what to do.
    model : ModelIdentity
        What scored or refused it.
    """

    name: str
    film: Film
    score: Score | None
    error: str
    remarks: tuple[str, ...]
    model: ModelIdentity


def film_pdf(printed: PrintedFilm) -> bytes:
    """Return the page as a PDF file of A4, with text that can be searched.

    The same film and score give the same bytes.
    """
    return marked_pdf(plot_file(film_figure(printed), "pdf", dots=200))


@styled
def film_figure(printed: PrintedFilm) -> Figure:
    """Draw the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_A4)
    _text(figure, 0.955, RESEARCH_NOTICE, size=10, colour=HIGHER, weight="bold")
    _text(figure, 0.93, f"Severity of pneumonia: {printed.name}", size=13, weight="bold")
    _pictures(figure, printed)
    top = 0.49
    if printed.score is None:
        top = _text(figure, top, f"No score: {printed.error}", size=11, colour=HIGHER)
    else:
        for part in printed.score.scales:
            top = _scale(figure, part, top)
    top -= 0.015
    for remark in printed.remarks or ("No quality flags.",):
        top = _text(figure, top, f"• {remark}" if printed.remarks else remark)
    top -= 0.015
    model = printed.model
    top = _text(
        figure,
        top,
        f"Model {model.name} {model.version}, backbone {model.backbone}, SHA-256 {model.sha256}",
        size=8,
        colour=FAINT,
    )
    for part in printed.score.scales if printed.score is not None else ():
        words = f"{part.scale.title}, {part.scale.low:g} to {part.scale.high:g}: "
        top = _text(figure, top, words + part.scale.definition, size=8, colour=FAINT)
    _text(figure, 0.04, RESEARCH_NOTICE, size=10, colour=HIGHER, weight="bold")
    return figure


def _text(
    figure: Figure,
    top: float,
    words: str,
    *,
    size: float = 10,
    colour: str = "black",
    weight: str = "normal",
) -> float:
    """Write words from `top` down, broken into lines; return where they end."""
    lines = textwrap.wrap(drawable(words), round(_WIDE * 9.5 / size)) or [""]
    figure.text(
        _LEFT, top, "\n".join(lines), size=size, color=colour, weight=weight, va="top", ha="left"
    )
    return top - len(lines) * size * 1.35 / 72 / _A4[1]


def _pictures(figure: Figure, printed: PrintedFilm) -> None:
    from PIL import Image

    axes = figure.add_axes((_LEFT, 0.51, _RIGHT - _LEFT, 0.39))
    axes.set_axis_off()
    if printed.score is None:
        axes.imshow(printed.film, cmap="gray", vmin=0, vmax=_brightest(printed.film))
        return
    part = printed.score.scales[0]
    grey = film_view(printed.film, printed.score.placement, _SIDE)
    panels = [maker(grey, printed.score, part) for maker in (film_panel, contribution_panel)]
    drawn = [panel_image(panel, grey.shape[1]) for panel in panels]
    both = Image.new("RGB", (2 * grey.shape[1] + _GAP, max(image.height for image in drawn)), PAPER)
    for place, image in enumerate(drawn):
        both.paste(image, (place * (grey.shape[1] + _GAP), 0))
    axes.imshow(np.asarray(both), interpolation="none")


def _brightest(film: Film) -> float:
    return 255.0 if film.dtype == np.uint8 else 1.0


def _scale(figure: Figure, part: ScaleScore, top: float) -> float:
    """Draw one score on its scale with its interval; return where it ends."""
    _text(figure, top, f"{part.scale.title}: {part.value:.1f} of {part.scale.high:g}", size=12)
    figure.text(0.45, top, drawable(_beside(part)), size=10, va="top")
    axes = figure.add_axes((_LEFT, top - 0.055, _RIGHT - _LEFT, 0.022))
    axes.set_xlim(part.scale.low, part.scale.high)
    axes.set_ylim(-1.0, 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if part.low is not None and part.high is not None:
        axes.hlines(0.0, part.low, part.high, color=ACCENT, lw=5, alpha=0.45)
    axes.plot([part.value], [0.0], marker="D", ms=6, color=ACCENT, clip_on=False)
    axes.tick_params(labelsize=8)
    return top - 0.09


def _beside(part: ScaleScore) -> str:
    words: list[str] = []
    if part.low is not None and part.high is not None:
        words.append(f"{100 * part.level:g} % interval {part.low:.1f} to {part.high:.1f}")
    if part.right is not None and part.left is not None:
        words.append(f"right lung {part.right:.1f}, left lung {part.left:.1f}")
    return "; ".join(words) or "no interval"
