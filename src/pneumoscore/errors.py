"""Errors that PneumoScore raises on purpose.

Every message says what was found, what was expected and what to do.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ImageTooLargeError",
    "MissingFileError",
    "ModelError",
    "NotScorableError",
    "PneumoScoreError",
    "UnreadableFileError",
    "UnsupportedImageError",
]


class PneumoScoreError(Exception):
    """Base of all errors raised by this package.

    Parameters
    ----------
    found : str
        What was found.
    expected : str, optional
        What was expected in its place.
    remedy : str, optional
        What the user can do about it.

    Attributes
    ----------
    reason : str
        Why a film has no score, for machines: ``"refused"``, ``"unreadable"``,
        ``"unsupported"`` or ``"missing"``; empty for errors that are not about a film.
    """

    reason: ClassVar[str] = ""

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        parts = [found]
        if expected:
            parts.append(f"expected {expected}")
        if remedy:
            parts.append(remedy)
        super().__init__("; ".join(parts))


class UnreadableFileError(PneumoScoreError):
    """A file is damaged, empty, or no image at all."""

    reason = "unreadable"


class MissingFileError(UnreadableFileError):
    """A file that is not there."""

    reason = "missing"


class UnsupportedImageError(PneumoScoreError):
    """An intact image of a kind that is no single projection radiograph, or is not read."""

    reason = "unsupported"


class ImageTooLargeError(PneumoScoreError):
    """An image over the bound on pixels or on file size; refused before decoding."""

    reason = "unsupported"


class NotScorableError(PneumoScoreError):
    """The quality gate refused the film.

    Parameters
    ----------
    flags : tuple of str
        The flags that led to the refusal.
    found, expected, remedy : str
        As in `PneumoScoreError`.
    """

    reason = "refused"

    def __init__(
        self, flags: tuple[str, ...], found: str, expected: str = "", remedy: str = ""
    ) -> None:
        self.flags = flags
        super().__init__(found, expected, remedy)


class ModelError(PneumoScoreError):
    """A backbone or severity model that is missing, damaged or does not fit."""
