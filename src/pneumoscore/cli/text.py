"""Text from outside, such as file names, made safe to show in a terminal."""

from __future__ import annotations

import os

__all__ = ["printable"]


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
