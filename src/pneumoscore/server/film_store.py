"""Films that the server keeps: whole, private, and no longer than they are needed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

__all__ = ["FilmStore"]

_ID = re.compile(r"[0-9a-f]{16,64}")


class FilmStore:
    """A folder of films named by random identifiers, for its owner's eyes only.

    Parameters
    ----------
    folder : Path
        Made where it is missing, with mode 0700.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.folder = folder

    def path(self, number: str) -> Path:
        """Return the file of an identifier.

        Raises
        ------
        ValueError
            If it is no identifier of ours; no text from outside becomes a path.
        """
        if not _ID.fullmatch(number):
            raise ValueError("a film's identifier has 16 to 64 hexadecimal digits")
        return self.folder / number[:2] / number

    def writing(self, number: str) -> Path:
        """Return where a film is written before it is whole (see `keep`)."""
        target = self.path(number)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        return target.with_suffix(".part")

    def keep(self, number: str) -> None:
        """Let a film that was written whole take its place, durably."""
        part, target = self.writing(number), self.path(number)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self, number: str) -> None:
        """Delete a film and what was begun of it."""
        self.path(number).unlink(missing_ok=True)
        self.writing(number).unlink(missing_ok=True)

    def sha256(self, number: str) -> str:
        """Return the SHA-256 of a film."""
        with self.path(number).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def begun(self) -> Iterator[Path]:
        """Yield what was begun and never became whole, for the start to delete."""
        yield from self.folder.glob("*/*.part")

    def free_bytes(self) -> int:
        """Return how much room the disk has."""
        return shutil.disk_usage(self.folder).free
