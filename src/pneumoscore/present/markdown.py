"""The little Markdown that model cards use, as HTML."""

from __future__ import annotations

import re
from html import escape

__all__ = ["markdown_to_html"]

_RULE = re.compile(r"^\|?[\s:|-]+\|?$")


def _inline(text: str) -> str:
    """Escape a line, then mark code, strong text and links to web pages."""
    parts = re.split(r"(`[^`]+`)", text)
    out = []
    for part in parts:
        if len(part) > 2 and part.startswith("`") and part.endswith("`"):
            out.append(f"<code>{escape(part[1:-1])}</code>")
            continue
        safe = escape(part)
        safe = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)
        safe = re.sub(r"\[([^\]]+)\]\((https?://[^\s)]+)\)", r'<a href="\2">\1</a>', safe)
        out.append(safe)
    return "".join(out)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _table(lines: list[str]) -> str:
    rows = [line for index, line in enumerate(lines) if not (index == 1 and _RULE.match(line))]
    head = "".join(f"<th>{_inline(cell)}</th>" for cell in _cells(rows[0]))
    body = "".join(
        "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in _cells(row)) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _block(lines: list[str], first_level: int) -> str:
    heading = re.match(r"^(#{1,6})\s+(.*)$", lines[0])
    if heading:
        level = min(len(heading[1]) + first_level - 1, 6)
        rest = _block(lines[1:], first_level) if lines[1:] else ""
        return f"<h{level}>{_inline(heading[2])}</h{level}>{rest}"
    if lines[0].lstrip().startswith("|"):
        return _table(lines)
    if re.match(r"^\s*[-*]\s+", lines[0]):
        items: list[str] = []
        for line in lines:
            match = re.match(r"^\s*[-*]\s+(.*)$", line)
            if match:
                items.append(match[1])
            else:
                items[-1] += f" {line.strip()}"
        return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
    return f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"


def markdown_to_html(text: str, first_level: int = 3) -> str:
    r"""Return Markdown as HTML: headings, paragraphs, lists, tables, code, strong, links.

    Everything else is shown as it stands; HTML in the text is escaped.

    Parameters
    ----------
    text : str
        Markdown.
    first_level : int, optional
        HTML level of a heading with one hash.

    Examples
    --------
    >>> markdown_to_html("# Card\n\nUse `score`.")
    '<h3>Card</h3><p>Use <code>score</code>.</p>'
    """
    blocks = re.split(r"\n\s*\n", text.strip())
    parts = []
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip()]
        if lines:
            parts.append(_block(lines, first_level))
    return "".join(parts)
