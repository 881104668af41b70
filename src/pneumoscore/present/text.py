"""Text from outside, such as file names, made safe and short for a terminal."""

from __future__ import annotations

import os

__all__ = ["printable", "shortened"]


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return `text` with everything a terminal could obey written as an escape.

    Control characters, line ends, direction marks and bytes that are no text could forge
    lines of a table or steer a terminal; they become backslash escapes. Letters of every
    script stay as they are.

    Parameters
    ----------
    text : str or path
        Any string, also one with surrogate escapes.

    Returns
    -------
    str
        One printable line.

    Examples
    --------
    >>> printable("thorax\n\x1b[31m.dcm")
    'thorax\\n\\x1b[31m.dcm'
    >>> printable("Röntgen 胸部.png")
    'Röntgen 胸部.png'
    """
    shown = os.fspath(text)
    if shown.isprintable():
        return shown
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in shown
    )


def shortened(text: str, width: int) -> str:
    """Return `text` no longer than `width`, cut in the middle: both ends tell files apart.

    Parameters
    ----------
    text : str
        One line.
    width : int
        Most letters, at least 1.

    Examples
    --------
    >>> shortened("archive/2026/ward-7/film-0001.dcm", 20)
    'archive/2…m-0001.dcm'
    >>> shortened("film.dcm", 20)
    'film.dcm'
    """
    if len(text) <= width:
        return text
    end = width // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :] if end else ''}"
