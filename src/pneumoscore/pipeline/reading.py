"""From a file to a film that waits for the network: runs in a thread or another process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import FailureReason, PneumoScoreError, failure_reason
from pneumoscore.pipeline.options import VIEW_SIDE, ScoringOptions
from pneumoscore.radiograph.origin import Origin
from pneumoscore.radiograph.types import Radiograph, RadiographMetadata
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.preparation import Preparation, PreparedFilm

__all__ = ["FilmReader", "ReadFilm"]

_LOG = logging.getLogger(__name__)


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
    """

    film: PreparedFilm | None = None
    error: str | None = None
    reason: FailureReason | None = None
    metadata: RadiographMetadata | None = None
    view: NDArray[np.uint8] | None = None
    pixels: str | None = None
    seconds: float = 0.0
    origin: Origin | None = None


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

    def __call__(self, source: Path | bytes) -> ReadFilm:
        """Read one file, given by its path or its bytes; never raises for the file's sake."""
        began = time.perf_counter()
        try:
            return self._prepared(source, began)
        except PneumoScoreError as error:
            return _failed(str(error), failure_reason(error))
        except OSError as error:
            words = f"cannot be read: {error.strerror or type(error).__name__}"
            return _failed(words, failure_reason(error))
        except MemoryError:
            words = "needs more memory than there is; use a smaller image"
            return _failed(words, FailureReason.UNSUPPORTED)
        except Exception as error:
            # A fault of ours, logged in full and named as such; the others must go on.
            _LOG.exception("internal error while reading a file")
            return _failed(
                f"internal error ({type(error).__name__}); please report it with the file",
                FailureReason.INTERNAL,
            )

    def _prepared(self, source: Path | bytes, began: float) -> ReadFilm:
        from pneumoscore.radiograph.read import read_radiograph

        radiograph = read_radiograph(source, options=self.options.read)
        film = self.prepare(radiograph)
        return ReadFilm(
            film,
            metadata=radiograph.metadata,
            view=_view(radiograph) if self.options.view else None,
            pixels=radiograph.digest() if self.options.pixels else None,
            seconds=time.perf_counter() - began,
            origin=radiograph.origin,
        )


Reading = Callable[[Path | bytes], ReadFilm]
"""What reads one file: a `FilmReader`, or one in another process."""


def _failed(error: str, reason: FailureReason) -> ReadFilm:
    return ReadFilm(error=error, reason=reason)


def _view(radiograph: Radiograph) -> NDArray[np.uint8]:
    from PIL import Image

    image = Image.fromarray(radiograph.pixels)
    image.thumbnail((VIEW_SIDE, VIEW_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    levels: NDArray[np.uint8] = np.rint(np.asarray(image) * 255.0).astype(np.uint8)
    return levels
