"""Words on pictures: what a score says, broken into lines and drawn."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from pneumoscore.marks import program_mark
from pneumoscore.severity.score import RESEARCH_NOTICE, ScaleScore, Score

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

__all__ = ["describe", "describe_sides", "draw_lines", "font", "picture_info", "wrap"]

PAPER = (18, 18, 20)
"""Red, green and blue of a picture's ground, 0 to 255; the inks stand on it."""
INK = (235, 235, 235)
FAINT_INK = (170, 170, 170)
NOTICE_INK = (255, 196, 84)
SMALL_TEXT = 14
"""Size of what is not a score or the notice, pixels."""


def describe(part: ScaleScore) -> str:
    """Return one score in words: ``"Opacity 3.1 of 6 (90 % interval 2.0 to 4.2)"``."""
    words = f"{part.scale.title} {part.value:.1f} of {part.scale.high:g}"
    if part.low is None or part.high is None:
        return f"{words} (no interval)"
    return f"{words} ({part.level * 100:g} % interval {part.low:.1f} to {part.high:.1f})"


def describe_sides(part: ScaleScore) -> tuple[str, str]:
    """Return the parts of the right and of the left lung in words; empty where unknown.

    The patient's right is on the left of a frontal film as it is viewed.
    """
    if part.right is None or part.left is None:
        return "", ""
    return f"Right {part.right:.1f}", f"Left {part.left:.1f}"


def describe_flags(score: Score) -> str:
    """Return the quality flags in words."""
    if not score.flags:
        return "No quality flags"
    return "Flags: " + ", ".join(flag.replace("_", " ") for flag in score.flags)


def describe_model(score: Score) -> str:
    """Return the identity of the model in words."""
    model = score.model
    return f"Model {model.name} {model.version}, backbone {model.backbone}, {model.sha256[:12]}"


def picture_info(score: Score, title: str) -> dict[str, str]:
    """Return the text that travels inside the picture's file.

    Keywords of the PNG specification, third edition, section 11.3.3.1.
    """
    return {
        "Title": title,
        "Description": "; ".join([*map(describe, score.scales), describe_flags(score)]),
        "Disclaimer": RESEARCH_NOTICE,
        "Software": f"{program_mark('picture')}; {describe_model(score)}",
    }


@cache
def font(size: int) -> FreeTypeFont | ImageFont:
    """Return the font that Pillow brings along."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def wrap(text: str, size: int, width: int) -> list[str]:
    """Break text into lines no wider than `width` pixels, at spaces where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if font(size).getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while font(size).getlength(line) > width and len(line) > 1:
            keep = len(line) - 1
            while keep > 1 and font(size).getlength(line[:keep]) > width:
                keep -= 1
            lines.append(line[:keep])
            line = line[keep:]
    return [*lines, line] if line else lines


def draw_lines(
    draw: ImageDraw,
    lines: list[str],
    place: tuple[int, int],
    size: int,
    ink: tuple[int, int, int] = INK,
) -> int:
    """Draw lines from `place` (left, top) down; return the height they take in pixels."""
    left, top = place
    step = line_height(size)
    for number, line in enumerate(lines):
        draw.text((left, top + number * step), line, font=font(size), fill=ink)
    return step * len(lines)


def line_height(size: int) -> int:
    """Return the distance of lines in pixels."""
    return round(1.35 * size)
