"""Pages printed and pictured by a Chromium browser, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import check_output, write, write_atomically
from pneumoscore.marks import program_mark

__all__ = ["browse", "find_chromium", "marked_pdf", "print_pdf", "screenshot"]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
"""Nothing but the page is loaded, and nothing is sent."""
_SECONDS = 120


def find_chromium() -> str | None:
    """Return the path of a Chromium browser, None if there is none."""
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def browse(page: Path, browser: str, options: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Open a local page in a browser without windows, with a profile of its own.

    Parameters
    ----------
    page : Path
        The file.
    browser : str
        As `find_chromium` gives it.
    options : sequence of str
        Of its command line: what to do with the page.

    Raises
    ------
    PneumoScoreError
        If the browser fails or takes too long.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_QUIET, f"--user-data-dir={profile}", *options]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium refuses to start its sandbox as root, as in containers.
            command.insert(1, "--no-sandbox")
        command.append(page.resolve().as_uri())
        remedy = "open the page in a browser"
        try:
            run = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            name = Path(browser).name
            raise PneumoScoreError(
                f"{name} could not show {page.name} ({error})", remedy=remedy
            ) from error
        if run.returncode != 0:
            raise PneumoScoreError(
                f"{Path(browser).name} ended with status {run.returncode}", remedy=remedy
            )
        return run


def print_pdf(page: Path, pdf: Path, browser: str) -> None:
    """Print a page as PDF, by the rule for outputs; the file carries this program's mark.

    Parameters
    ----------
    page, pdf : Path
        Page and result.
    browser : str
        As `find_chromium` gives it.

    Raises
    ------
    OutputError
        If `pdf` is there and no earlier output of this program.
    PneumoScoreError
        If the browser fails, takes too long or prints nothing.
    """
    check_output(pdf)
    write(
        pdf, marked_pdf(_made(page, ".pdf", browser, ["--no-pdf-header-footer"], "--print-to-pdf"))
    )


def marked_pdf(data: bytes) -> bytes:
    """Return a PDF with this program's mark as a comment behind its end (ISO 32000-1, 7.2.4)."""
    return data.rstrip(b"\n") + f"\n% {program_mark('report')}\n%%EOF\n".encode("ascii")


def screenshot(
    page: Path, picture: Path, browser: str, width: int, height: int, *, dark: bool = False
) -> None:
    """Write what a browser shows of a page as PNG.

    Parameters
    ----------
    page, picture : Path
        Page and result; `picture` is replaced as a whole.
    browser : str
        As `find_chromium` gives it.
    width, height : int
        Of the window, in pixels.
    dark : bool, optional
        Whether the reader prefers a dark page.

    Raises
    ------
    PneumoScoreError
        If the browser fails, takes too long or shows nothing.
    """
    scheme = "--blink-settings=preferredColorScheme=" + ("0" if dark else "1")
    options = [f"--window-size={width},{height}", scheme]
    write_atomically(picture, _made(page, picture.suffix, browser, options, "--screenshot"))


def _made(page: Path, suffix: str, browser: str, options: list[str], what: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"made{suffix}"  # the ending tells the browser the format
        browse(page, browser, [*options, f"{what}={made}"])
        if not made.is_file():
            raise PneumoScoreError(
                f"{Path(browser).name} made nothing of {page.name}",
                remedy="open the page in a browser",
            )
        return made.read_bytes()
