"""The one style of plots, and plots as files and as parts of a page."""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from xml.etree import ElementTree

from pneumoscore.marks import program_mark
from pneumoscore.severity.score import RESEARCH_NOTICE

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "FAINT",
    "HIGHER",
    "LOWER",
    "OTHER",
    "drawable",
    "page_svg",
    "plot_file",
    "plot_style",
    "scheme_svg",
    "styled",
]

ACCENT, HIGHER, LOWER, OTHER, FAINT = "#1f5f8b", "#9c3524", "#24693f", "#6b4596", "#57606a"
"""Colours of plots, those of the style sheet's light scheme; they never stand alone."""

_ON_PAGE = {
    ACCENT: "var(--accent)",
    HIGHER: "var(--higher)",
    LOWER: "var(--lower)",
    OTHER: "var(--other)",
    FAINT: "var(--faint)",
    "#000000": "var(--ink)",
    "#ffffff": "var(--paper)",
}
_STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "pneumoscore",
    "svg.fonttype": "path",
    # Text of a PDF as text: it can be searched and copied.
    "pdf.fonttype": 42,
    # What users name things may hold dollars, and is no formula.
    "text.parse_math": False,
}
_FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Noto Sans Thai",
)
_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_CLIP = re.compile(r"\bp[0-9a-f]{10}\b")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def plot_style() -> AbstractContextManager[None]:
    """Return the context in which all parts of a plot are made."""
    from matplotlib import rc_context

    return rc_context({**_STYLE, "font.family": list(_fonts())})


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function draw in the style."""

    @functools.wraps(draw)
    def in_style(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with plot_style():
            return draw(*args, **kwargs)

    return in_style


@functools.cache
def _fonts() -> dict[str, frozenset[int]]:
    """Return the fonts of plots that are installed, with the letters that each can draw."""
    from matplotlib.font_manager import fontManager, get_font

    files = {entry.name: entry.fname for entry in reversed(fontManager.ttflist)}
    return {
        name: frozenset(get_font(files[name]).get_charmap()) for name in _FAMILIES if name in files
    }


def drawable(text: str) -> str:
    r"""Return text with each letter that no installed font can draw written as an escape.

    Examples
    --------
    >>> drawable("$5 per film")
    '$5 per film'
    """
    fonts = _fonts().values()
    return "".join(
        letter
        if letter == "\n" or any(ord(letter) in font for font in fonts)
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def plot_file(figure: Figure, kind: str, dots: int = 150) -> bytes:
    """Return a plot as a PNG, SVG or PDF file, the same bytes each time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn in the style.
    kind : {"png", "svg", "pdf"}
        Format.
    dots : int, optional
        Dots per inch of a PNG, and of the pictures in a PDF.
    """
    stream = io.BytesIO()
    # Dates and versions of other programs would make equal pictures differ.
    of_kind: dict[str, dict[str, str | None]] = {
        "svg": {
            "Description": RESEARCH_NOTICE,
            "Date": None,
            "Creator": program_mark("plot"),
        },
        "png": {"Description": RESEARCH_NOTICE, "Software": program_mark("plot")},
        "pdf": {
            "Subject": RESEARCH_NOTICE,
            "Creator": program_mark("report"),
            "CreationDate": None,
        },
    }
    metadata = of_kind[kind]
    with plot_style():
        figure.savefig(stream, format=kind, dpi=dots, metadata=metadata)
    data = stream.getvalue()
    return _numbered(data.decode("utf-8")).encode("utf-8") if kind == "svg" else data


def _numbered(svg: str) -> str:
    """Name the clip paths by their order: Matplotlib names them by where they lie in memory.

    A hash of the drawing stands before the number, so that drawings can share a page.
    """
    names = {name: str(number) for number, name in enumerate(dict.fromkeys(_CLIP.findall(svg)))}
    bare = _CLIP.sub(lambda found: names[found[0]], svg)
    start = f"p{hashlib.sha256(bare.encode('utf-8')).hexdigest()[:8]}-"
    return _CLIP.sub(lambda found: start + names[found[0]], svg)


def page_svg(figure: Figure, label: str) -> Markup:
    """Return a plot as an SVG element for a page: its colours follow the page's scheme.

    It needs no style within elements, which the pages' security policy forbids.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn in the style.
    label : str
        What a screen reader says of it.
    """
    from markupsafe import Markup

    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK[1 : _LINK.index("}")])
    figure.patch.set_visible(False)
    root = ElementTree.fromstring(plot_file(figure, "svg"))
    for part in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(part)
    for parent in root.iter():
        for style in parent.findall(f"{{{_SVG}}}style"):
            parent.remove(style)
    used = set(
        re.findall(r"#([\w-]+)", " ".join(v for e in root.iter() for v in e.attrib.values()))
    )
    for element in root.iter():
        _plain_attributes(element)
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    root.attrib |= {"role": "img", "aria-label": label, "stroke-linejoin": "round"}
    root.set("fill", "var(--ink)")
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    return Markup(ElementTree.tostring(root, "unicode"))


def scheme_svg(figure: Figure, label: str) -> bytes:
    """Return a plot as an SVG file whose colours follow the scheme of who looks at it.

    For a page that shows it as an image: the colours of the style sheet are within.

    Parameters
    ----------
    figure, label
        As in `page_svg`.
    """
    from pneumoscore.present.pages import colour_sheet

    svg = str(page_svg(figure, label))
    start = svg.index(">") + 1
    return f"{svg[:start]}<style>{colour_sheet()}</style>{svg[start:]}".encode()


def _plain_attributes(element: ElementTree.Element) -> None:
    """Write an element's style as attributes, with the page's colours."""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if value and not name.strip().startswith("-"):
            element.set(name.strip(), value.strip())
    for name in ("fill", "stroke"):
        colour = element.get(name)
        if colour is not None:
            element.set(name, _ON_PAGE.get(colour, colour))
