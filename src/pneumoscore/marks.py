"""The mark of this program's files: a later run may replace them, and takes none for a film."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

__all__ = ["LOOKED_AT", "PHANTOM", "mark_in", "mark_of", "program_mark"]

LOOKED_AT = 8192
"""Bytes at either end of a file in which its mark lies."""
PHANTOM = "phantom"
"""What the mark of a synthetic film says."""
_MARK = re.compile(rb"PneumoScore/[0-9][0-9A-Za-z.+-]* \(([a-z][a-z -]{0,30})\)")


def program_mark(kind: str) -> str:
    """Return the mark of this program's files, as ``"PneumoScore/0.1.0 (overlay)"``.

    Put it, uncompressed, where the format has a place for the program's name, within the
    first or last 8 KiB: PNG Software, HTML generator, PDF Creator, a JSON key ``program``, a
    column ``program``, a Markdown comment, DICOM Software Versions (0018,1020).

    Parameters
    ----------
    kind : str
        What the file is, lower case: ``"overlay"``, ``"page"``, ``"table"``, ... ``"phantom"``
        is a film, all others are results.
    """
    return f"PneumoScore/{_version()} ({kind})"


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("pneumoscore")


def mark_in(data: bytes) -> str | None:
    """Return the kind that the mark in some bytes names, or None without a mark.

    Examples
    --------
    >>> mark_in(b'<meta name="generator" content="PneumoScore/0.1.0 (page)">')
    'page'
    >>> mark_in(b"I scored it with PneumoScore 0.1.0.") is None
    True
    """
    found = _MARK.search(data)
    return found[1].decode("ascii") if found else None


def mark_of(path: Path) -> str | None:
    """Return the kind that a file's mark names, or None if it is not this program's.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(LOOKED_AT)
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - LOOKED_AT))
        return mark_in(head) or mark_in(stream.read())
