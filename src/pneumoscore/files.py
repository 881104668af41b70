"""Whole files: hashed, and written so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["sha256_of", "write_atomically", "written_atomically"]

_NAME_KEPT = 48


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal and lower case.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def written_atomically(path: Path, *, make_folder: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    The bytes are on the disk before the name changes, so `path` is absent, old or complete,
    never partial. When the block raises, the temporary file is removed.

    Parameters
    ----------
    path : Path
        The file to write.
    make_folder : bool, optional
        Make its folder where there is none.

    Yields
    ------
    BinaryIO
        The temporary file.

    Raises
    ------
    OSError
        If the file cannot be written, or has no folder and `make_folder` is false.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    # Only the start of the name: the longest name would leave no room for what mkstemp adds.
    prefix = f".{path.name[:_NAME_KEPT]}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files that only the owner reads; others share what is written.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` as a whole (see `written_atomically`)."""
    with written_atomically(path) as stream:
        stream.write(data)
