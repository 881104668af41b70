"""A report as PDF: printed by Chromium, else drawn page by page."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import write_atomically
from pneumoscore.severity.score import RESEARCH_NOTICE
from pneumoscore.study.evaluation_tables import (
    error_table,
    figures_table,
    people_table,
    subgroup_table,
)
from pneumoscore.study.report import ReportContent

__all__ = ["drawn_pdf", "find_chromium", "print_pdf", "write_pdf"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LINES = 62
_LETTERS = 160
_SECONDS = 120


def find_chromium() -> str | None:
    """Return the path of a Chromium browser, None if there is none."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def print_pdf(html: Path, pdf: Path, browser: str) -> None:
    """Print an HTML page by a Chromium browser.

    Parameters
    ----------
    html, pdf : Path
        Page and result; `pdf` is replaced as a whole.
    browser : str
        As `find_chromium` gives it.

    Raises
    ------
    PneumoScoreError
        If the browser fails or takes too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.pdf"
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={target}",
            html.resolve().as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium refuses to start its sandbox as root, as in containers.
            command.insert(1, "--no-sandbox")
        try:
            run = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PneumoScoreError(
                f"{Path(browser).name} could not print the report ({error})",
                remedy="print the HTML page from a browser",
            ) from error
        if run.returncode != 0 or not target.is_file():
            raise PneumoScoreError(
                f"{Path(browser).name} ended with status {run.returncode} and printed nothing",
                remedy="print the HTML page from a browser",
            )
        write_atomically(pdf, target.read_bytes())


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
    """
    browser = find_chromium()
    if browser is not None:
        print_pdf(html, pdf, browser)
        return f"printed by {Path(browser).name}"
    write_atomically(pdf, drawn_pdf(content))
    return "tables only, no Chromium found"
