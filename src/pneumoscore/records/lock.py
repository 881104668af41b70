"""The lock that every writer of an SQLite file takes, and that `restore` takes alone.

SQLite's own lock belongs to a file, not to its name: who has the old file open would write into
it after another was put in its place.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pneumoscore.records.errors import RecordsError

try:
    import fcntl
except ImportError:  # Windows does not let an open file be replaced: no lock is needed there.
    fcntl = None  # type: ignore[assignment]

__all__ = ["locked"]

_PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def locked(file: Path, *, shared: bool, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock of a file's name: many may share it, or one has it alone.

    Parameters
    ----------
    file : Path
        The records; the lock is the file of that name with the ending ``.lock`` beside it.
    shared : bool
        Whether others may hold it too.
    patience : float, optional
        Seconds to wait.

    Raises
    ------
    RecordsError
        If it is held by another for longer, or cannot be made.
    """
    if fcntl is None:
        yield
        return
    name = file.with_name(f"{file.name}.lock")
    try:
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RecordsError(
            f"the lock {name} cannot be made ({error.strerror})", "a folder that may be written"
        ) from error
    try:
        _take(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, file, patience)
        yield
    finally:
        os.close(handle)


def _take(handle: int, kind: int, file: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() > until:
                raise RecordsError(
                    f"the records at {file} are locked by another program",
                    remedy="wait for it to end and run the command again",
                ) from error
        time.sleep(0.02)
