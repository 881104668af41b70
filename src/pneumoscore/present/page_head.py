"""The top of a page that needs no script, network or other file: its style, title and notice."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pneumoscore.files import program_mark
from pneumoscore.severity.score import RESEARCH_NOTICE

__all__ = ["NUMBER_CELLS", "PageStyle", "page_head"]

NUMBER_CELLS = "td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }"
"""Style rule of the cells of a table that hold numbers (``class="number"``)."""

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{mark}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="notice">{notice}</p>
"""
_FRAME = """\
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: {width:g}rem; margin: {margin:g}rem auto;
 padding: 0 1rem;{body} }}
.notice {{ border: 2px solid var(--warn); padding: {notice} .8rem; font-weight: 600; }}
"""


@dataclass(frozen=True, slots=True)
class PageStyle:
    """What sets one kind of page apart from the others.

    Attributes
    ----------
    colours : str
        Style rules that set the page's colours by name, one of them ``--warn``; whole lines.
    width : float
        Of the text, in rem.
    margin : float
        Above and below the text, in rem.
    notice_padding : str
        Above and below the words of the notice, as a style sheet has it.
    rules : str
        The page's own style rules; whole lines.
    body : str, optional
        Further declarations for the whole text.
    """

    colours: str
    width: float
    margin: float
    notice_padding: str
    rules: str
    body: str = ""


def page_head(title: str, style: PageStyle) -> str:
    """Return a page down to its heading and the notice; what follows is the page's own.

    Nothing but pictures inside the page can be loaded: a security policy in it says so.

    Parameters
    ----------
    title : str
        Plain text; shown as the heading too.
    style : PageStyle
        How the page looks.
    """
    frame = _FRAME.format(
        width=style.width,
        margin=style.margin,
        body=f" {style.body}" if style.body else "",
        notice=style.notice_padding,
    )
    sheet = style.colours + frame + style.rules
    return _HEAD.format(
        title=escape(title),
        style=sheet,
        notice=escape(RESEARCH_NOTICE),
        mark=escape(program_mark("page")),
    )
