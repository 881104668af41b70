"""Calls into decoders: they print nothing, and what they raise becomes ours."""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from pneumoscore.errors import ImageTooLargeError, PneumoScoreError, UnreadableFileError

__all__ = ["quiet_libtiff", "translated"]


class _Shared:
    """A change of process-wide state that lasts while any thread needs it.

    Each thread changing and restoring such state on its own would, when two overlap, restore
    in the wrong order and leave it changed for good.
    """

    def __init__(self, change: Callable[[], AbstractContextManager[None]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._users = 0
        self._current: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._current = self._change()
                self._current.__enter__()
            self._users += 1

    def __exit__(self, *_details: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._current is not None:
                self._current.__exit__(None, None, None)
                self._current = None


@contextmanager
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


_quiet = _Shared(_no_warnings)


@cache
def quiet_libtiff() -> None:
    """Tell the libtiff that Pillow uses to print nothing, once for the process.

    What it would print on a damaged TIFF is no part of any error that Pillow raises.
    """
    from PIL import _imaging

    try:
        # Looking up a symbol of a library looks through those that it was linked with.
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
    except (OSError, AttributeError):
        # A Pillow without libtiff, or a platform that hides its symbols.
        return


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Hold back a decoder's warnings and turn whatever it raises into one of our errors.

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
        with _quiet:
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
