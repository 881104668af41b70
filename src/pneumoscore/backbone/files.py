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
def written_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    The bytes are on the disk before the name changes, so `path` is absent, old or complete,
    never partial. When the block raises, the temporary file is removed.

    Parameters
    ----------
    path : Path
        The file to write; its folder is made.

    Yields
    ------
    BinaryIO
        The temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files that only the owner reads; others share an installed backbone.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` as a whole (see `written_atomically`)."""
    with written_atomically(path) as stream:
        stream.write(data)
