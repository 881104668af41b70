"""Errors that PneumoScore raises on purpose.

Every message says what was found, what was expected and what to do::

    PneumoScoreError
     ├─ UnreadableFileError      damaged, empty, or no image at all
     │   └─ MissingFileError     not there
     ├─ UnsupportedImageError    readable, but no single projection radiograph
     ├─ ImageTooLargeError       over the bounds on pixels or bytes
     ├─ NotScorableError         refused by the quality gate
     ├─ ModelError               a backbone or severity model that is missing or does not fit
     ├─ CohortError              labelled data that contradict themselves
     ├─ RecordsError             records that are missing, damaged or cannot be written
     │   └─ ConflictError        a record that contradicts what is recorded
     ├─ SettingsError            a setting that is unknown or has no sense
     ├─ OutputError              a file that must not be written over
     └─ MissingExtraError        a package that comes with an extra is not installed

Where many films are at work, a film's error ends as a `FailureReason` in its result and
stops nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "CohortError",
    "ConflictError",
    "FailureReason",
    "ImageTooLargeError",
    "MissingExtraError",
    "MissingFileError",
    "ModelError",
    "NotScorableError",
    "OutputError",
    "PneumoScoreError",
    "RecordsError",
    "SettingsError",
    "UnreadableFileError",
    "UnsupportedImageError",
    "failure_reason",
]


class FailureReason(StrEnum):
    """Why a file has no score, for machines.

    Attributes
    ----------
    REFUSED
        By the quality gate; the flags say what it saw.
    UNREADABLE
        Damaged, empty, no image, or not to be opened.
    UNSUPPORTED
        Intact, but of a kind or size that is not read.
    MISSING
        There is no such file, or it went away.
    CRASHED
        A decoder ended the process that read it.
    TIMEOUT
        It took longer than a file may.
    INTERNAL
        A fault of this program; worth reporting.
    """

    REFUSED = "refused"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


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
    reason : FailureReason or None
        Why a film has no score; None for errors that are not about a film.
    """

    reason: ClassVar[FailureReason | None] = None

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

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.found, self.expected, self.remedy)


class UnreadableFileError(PneumoScoreError):
    """A file is damaged, empty, or no image at all."""

    reason = FailureReason.UNREADABLE


class MissingFileError(UnreadableFileError):
    """A file that is not there."""

    reason = FailureReason.MISSING


class UnsupportedImageError(PneumoScoreError):
    """An intact image of a kind that is no single projection radiograph, or is not read."""

    reason = FailureReason.UNSUPPORTED


class ImageTooLargeError(PneumoScoreError):
    """An image over the bound on pixels or on file size; refused before decoding."""

    reason = FailureReason.UNSUPPORTED


class NotScorableError(PneumoScoreError):
    """The quality gate refused the film.

    Parameters
    ----------
    flags : tuple of str
        The flags that led to the refusal.
    found, expected, remedy : str
        As in `PneumoScoreError`.
    """

    reason = FailureReason.REFUSED

    def __init__(
        self, flags: tuple[str, ...], found: str, expected: str = "", remedy: str = ""
    ) -> None:
        self.flags = flags
        super().__init__(found, expected, remedy)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.flags, self.found, self.expected, self.remedy)


class ModelError(PneumoScoreError):
    """A backbone or severity model that is missing, damaged or does not fit."""


class CohortError(PneumoScoreError):
    """Labelled data that contradict themselves, or lack what is asked of them."""


class RecordsError(PneumoScoreError):
    """Records that are missing, damaged, of a newer version, or cannot be written."""


class ConflictError(RecordsError):
    """A record that contradicts what is already recorded."""


class SettingsError(PneumoScoreError):
    """A setting that is unknown or has no sense; the message names file and line, or variable."""


class OutputError(PneumoScoreError):
    """An output that would replace an input of the run, or what somebody else put there."""


class MissingExtraError(PneumoScoreError):
    """A package that comes with an extra is not installed."""


def failure_reason(error: BaseException) -> FailureReason:
    """Return the reason that an error stands for.

    Examples
    --------
    >>> failure_reason(UnsupportedImageError("a photograph of three films"))
    <FailureReason.UNSUPPORTED: 'unsupported'>
    >>> failure_reason(FileNotFoundError())
    <FailureReason.MISSING: 'missing'>
    """
    if isinstance(error, PneumoScoreError) and error.reason is not None:
        return error.reason
    if isinstance(error, FileNotFoundError):
        return FailureReason.MISSING
    return FailureReason.UNREADABLE if isinstance(error, OSError) else FailureReason.INTERNAL
