"""Calls into decoders: their warnings stay inside, their errors become ours."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pneumoscore.errors import ImageTooLargeError, PneumoScoreError, UnreadableFileError

__all__ = ["quiet", "translated"]

# `warnings.catch_warnings` swaps process-wide state: two threads that enter and leave it in
# interleaved order would leave warnings switched off for good. Only header parsing, which
# takes milliseconds, is done under this lock.
_WARNINGS_LOCK = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep third-party warnings from the user while a header is parsed; short calls only."""
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn whatever a decoder raises on damaged input into one of our errors.

    Decoders raise almost anything on hostile input (`struct.error`, `KeyError`,
    `RecursionError`, ...), so nothing narrower than `Exception` is safe here. Put only
    third-party calls inside.

    Parameters
    ----------
    what : str
        What is being decoded, for the message: ``"PNG image"``.

    Raises
    ------
    ImageTooLargeError
        If memory runs out.
    UnreadableFileError
        For every other failure.
    """
    try:
        yield
    except PneumoScoreError:
        raise
    except MemoryError as error:
        raise ImageTooLargeError(
            f"a {what} that needs more memory than there is", "", "use a smaller image"
        ) from error
    except Exception as error:
        raise UnreadableFileError(
            f"a damaged {what} ({type(error).__name__} while decoding)",
            "an intact file",
            "export or copy it again",
        ) from error
