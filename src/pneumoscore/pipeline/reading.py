"""From a file to a film that waits for the network: runs in a thread or another process."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import FailureReason, PneumoScoreError, failure_reason
from pneumoscore.files import sha256_of
from pneumoscore.pipeline.options import VIEW_SIDE, ScoringOptions
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.types import Radiograph, RadiographMetadata
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.preparation import Preparation, PreparedFilm

__all__ = ["FilmReader", "KnownContent", "ReadFilm", "Reading", "failed_reading"]

_LOG = logging.getLogger(__name__)

KnownContent = Callable[[str], bool]
"""Whether the score of a content (SHA-256 of a file's bytes) is kept already; called from
several threads at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadFilm:
    """A file that was read and waits for its batch, or why it cannot be scored.

    Attributes
    ----------
    film : PreparedFilm or None
        None if there is none.
    error, reason, metadata, view, pixels, seconds
        As in `pneumoscore.pipeline.result.FileResult`.
    origin : Origin or None
        Where its pixels lie in the image of the file.
    content : str or None
        SHA-256 of the bytes that were read; None where it was not asked for, or there are none.
    known : bool
        The score of this content is kept already: nothing more was done.
    """

    film: PreparedFilm | None = None
    error: str | None = None
    reason: FailureReason | None = None
    metadata: RadiographMetadata | None = None
    view: NDArray[np.uint8] | None = None
    pixels: str | None = None
    seconds: float = 0.0
    origin: Origin | None = None
    content: str | None = None
    known: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FilmReader:
    """Reads and prepares films for one model; small enough to be sent to a process once.

    Attributes
    ----------
    options : ScoringOptions
        How files are read, and whether views are wanted.
    prepare : Preparation
        How the model's films are prepared.
    """

    options: ScoringOptions
    prepare: Preparation

    @classmethod
    def of(cls, model: SeverityModel, options: ScoringOptions) -> FilmReader:
        """Return the reader for a model."""
        return cls(options, model.preparation)

    def __call__(self, source: Path | bytes, known: KnownContent | None = None) -> ReadFilm:
        """Read one file, given by its path or its bytes; never raises for the file's sake.

        The file is read once, so that a score belongs to the content that is told with it.

        Parameters
        ----------
        source : Path or bytes
            The file.
        known : callable, optional
            Asked for the file's content before anything is decoded.
        """
        from pneumoscore.radiograph.source import read_bytes

        began = time.perf_counter()
        data, unread = None, None
        try:
            data = read_bytes(source, self.options.read)
        except Exception as error:
            unread = failed_reading(error)
        content = None
        if known is not None or self.options.content:
            content = self._content(source, data)
        if known is not None and content is not None and known(content):
            return ReadFilm(content=content, known=True)
        if data is None:
            assert unread is not None
            return replace(unread, content=content)
        try:
            return self._prepared(data, content, began)
        except Exception as error:
            return replace(failed_reading(error), content=content)

    def _content(self, source: Path | bytes, data: bytes | None) -> str | None:
        """Return the hash of what was read, or of what is refused for its length alone."""
        if data is None and isinstance(source, bytes):
            data = source
        if data is not None:
            return hashlib.sha256(data).hexdigest()
        assert isinstance(source, Path)
        longest = self.options.read.max_file_bytes
        try:
            # A pipe or a device could block or never end.
            if source.is_file() and not 0 < source.stat().st_size <= longest:
                return sha256_of(source)
        except OSError:
            pass
        return None

    def _prepared(self, data: bytes, content: str | None, began: float) -> ReadFilm:
        from pneumoscore.radiograph.read import read_radiograph

        radiograph = read_radiograph(data, options=self.options.read)
        film = self.prepare(radiograph)
        return ReadFilm(
            film,
            metadata=radiograph.metadata,
            view=_view(radiograph) if self.options.view else None,
            pixels=radiograph.digest() if self.options.pixels else None,
            seconds=time.perf_counter() - began,
            origin=radiograph.origin,
            content=content,
        )


Reading = Callable[[Path | bytes, KnownContent | None], ReadFilm]
"""What reads one file: a `FilmReader`, or one in another process."""


def failed_reading(error: Exception) -> ReadFilm:
    """Return what is said of a file that cannot be read, in our words, and the reason."""
    if isinstance(error, PneumoScoreError):
        return ReadFilm(error=str(error), reason=failure_reason(error))
    if isinstance(error, OSError):
        words = f"cannot be read: {error.strerror or type(error).__name__}"
        return ReadFilm(error=words, reason=failure_reason(error))
    if isinstance(error, MemoryError):
        words = "needs more memory than there is; use a smaller image"
        return ReadFilm(error=words, reason=FailureReason.UNSUPPORTED)
    # A fault of ours, logged in full and named as such; the others must go on.
    _LOG.error("internal error while reading a file", exc_info=error)
    words = f"internal error ({type(error).__name__}); please report it with the file"
    return ReadFilm(error=words, reason=FailureReason.INTERNAL)


def _view(radiograph: Radiograph) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(radiograph.pixels)
    image.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels: NDArray[np.uint8] = np.rint(np.asarray(image) * 255.0).astype(np.uint8)
    return levels
