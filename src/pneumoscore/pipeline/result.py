"""What became of one file: small, and fit to travel between processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import FailureReason
from pneumoscore.radiograph.types import RadiographMetadata
from pneumoscore.severity.score import Score

__all__ = ["FileResult"]


@dataclass(frozen=True, slots=True, eq=False)
class FileResult:
    """What became of one file.

    Attributes
    ----------
    path : Path
        As named, or as found in a folder; of a member of an archive file, the archive's.
    score : Score or None
        None if there is none.
    error : str or None
        Why there is none, in one line; None if there is a score or it was known before.
    reason : FailureReason or None
        The same for machines.
    flags : tuple of str
        Quality flags, with or without a score.
    metadata : RadiographMetadata or None
        What the file says of patient, study, view and time, where it could be read.
    view : ndarray of uint8, shape (rows, columns), or None
        The film reduced (`ScoringOptions.view`), where it was asked for and could be read.
    content : str or None
        SHA-256 of the file's bytes, where it was asked for and could be read.
    pixels : str or None
        SHA-256 of its pixels as they were read, where it was asked for: equal for one exposure
        under two identifiers.
    known : bool
        Whether its score is kept already, so that it was not made again: no score, no error.
    passed_over : str or None
        Why it was not read at all, though nothing is wrong with it; no score, no error, and no
        sink sees it.
    member : str or None
        Name inside an archive file.
    outputs : dict of str to str
        Files that sinks wrote for this film, by kind; sinks that write such files come first.
    seconds : float
        Time that reading and preparing took.
    """

    path: Path
    score: Score | None = None
    error: str | None = None
    reason: FailureReason | None = None
    flags: tuple[str, ...] = ()
    metadata: RadiographMetadata | None = None
    view: NDArray[np.uint8] | None = None
    content: str | None = None
    pixels: str | None = None
    known: bool = False
    passed_over: str | None = None
    member: str | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def file(self) -> str:
        """The path as text that any output takes: bytes that are no UTF-8 are escaped."""
        name = os.fspath(self.path) if self.member is None else f"{self.path}!{self.member}"
        return os.fsencode(name).decode("utf-8", "backslashreplace")
