"""A report as PDF: printed by Chromium, else drawn page by page."""

from __future__ import annotations

import io
from pathlib import Path

from pneumoscore.files import write
from pneumoscore.present.browser import find_chromium, marked_pdf, print_pdf
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.study.evaluation_tables import (
    error_table,
    figures_table,
    people_table,
    subgroup_table,
)
from pneumoscore.study.report import ReportContent

__all__ = ["drawn_pdf", "write_pdf"]

_LINES = 62
_LETTERS = 160


def drawn_pdf(content: ReportContent) -> bytes:
    """Return the report's tables as PDF pages of plain text, for want of a browser."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

    tables = [figures_table(content.evaluations), *content.extra_tables]
    for item in content.evaluations:
        tables += [people_table(item), subgroup_table(item), error_table(item)]
    lines = [content.title, f"{RESEARCH_NOTICE}.", "", *content.remarks, ""]
    for table in tables:
        lines += [*table.lines(_LETTERS), ""]
    stream = io.BytesIO()
    with PdfPages(stream, metadata={"Title": content.title, "CreationDate": None}) as pages:
        for start in range(0, len(lines), _LINES):
            figure = Figure(figsize=(11.7, 8.3))
            text = "\n".join(lines[start : start + _LINES])
            figure.text(0.04, 0.96, text, va="top", family="monospace", fontsize=7)
            figure.text(0.5, 0.02, f"{RESEARCH_NOTICE}.", ha="center", fontsize=7)
            pages.savefig(figure)
    return stream.getvalue()


def write_pdf(content: ReportContent, html: Path, pdf: Path) -> str:
    """Write a report as PDF by the best way there is, and say which.

    Parameters
    ----------
    content : ReportContent
        The report.
    html : Path
        Its page, written.
    pdf : Path
        Result.

    Returns
    -------
    str
        ``"printed by chromium"``, or ``"tables only"`` without a browser.

    Raises
    ------
    OutputError
        If `pdf` is there and no earlier output of this program.
    """
    browser = find_chromium()
    if browser is not None:
        print_pdf(html, pdf, browser)
        return f"printed by {Path(browser).name}"
    write(pdf, marked_pdf(drawn_pdf(content)))
    return "tables only, no Chromium found"
