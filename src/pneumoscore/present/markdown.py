"""Markdown, such as model cards, as HTML."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markupsafe import Markup

__all__ = ["markdown_to_html"]


def markdown_to_html(text: str, first_level: int = 3) -> Markup:
    r"""Return Markdown (CommonMark, with tables) as HTML.

    HTML in the text is escaped, links lead to web pages or places of the page alone, and
    pictures are shown as links.

    Parameters
    ----------
    text : str
        Markdown.
    first_level : int, optional
        HTML level of a heading with one hash, 1 to 6.

    Examples
    --------
    >>> str(markdown_to_html("# Card\n\nUse `score`."))
    '<h3>Card</h3>\n<p>Use <code>score</code>.</p>\n'
    """
    from markupsafe import Markup

    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + first_level - 1, 6)}"
        if token.attrs.pop("style", None):  # no page allows styles within elements
            token.attrs["class"] = "number"
    # The parser escapes all text and lets no HTML through.
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.validateLink = lambda url: url.startswith(("https://", "http://", "#"))  # type: ignore[method-assign]
    return parser
