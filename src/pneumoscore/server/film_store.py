"""Films that the server keeps: whole, private, and no longer than they are needed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import sync_folder

__all__ = ["FilmStore"]

_ID = re.compile(r"[0-9a-f]{16,64}")
_COUNTED_SECONDS = 5.0


class FilmStore:
    """A folder of films named by random identifiers, for its owner's eyes only.

    A film is written beside its place (`writing`), recorded by whoever keeps the store, and then
    takes its place (`keep`); what a killed server leaves unrecorded is deleted at the next start.

    Parameters
    ----------
    folder : Path
        Made where it is missing, with mode 0700.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.folder = folder
        self._lock: int | None = None
        self._counting = threading.Lock()
        self._used = (-_COUNTED_SECONDS, 0)

    def claim(self) -> None:
        """Take the store for this process, until `release`.

        Raises
        ------
        PneumoScoreError
            If another server has it: each would delete what the other has begun.
        """
        import fcntl

        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise PneumoScoreError(
                f"another server uses the films in {self.folder}",
                "a folder of its own for each server",
                "stop the other one, or name another folder (--store)",
            ) from error
        self._lock = handle

    def release(self) -> None:
        """Let another server have the store."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

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

    def derived(self, number: str) -> Path:
        """Return the folder of what was made of a film."""
        return self.path(number).with_suffix(".d")

    def writing(self, number: str) -> Path:
        """Return where a film is written before it is recorded (see `keep`)."""
        target = self.path(number)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        return target.with_suffix(".part")

    def sync(self, number: str) -> None:
        """Have a film that was written whole on the disk, and its name too."""
        part = self.writing(number)
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        sync_folder(part.parent)

    def keep(self, number: str) -> None:
        """Let a film that is recorded take its place, durably."""
        target = self.path(number)
        self.writing(number).replace(target)
        sync_folder(target.parent)

    def drop(self, number: str) -> None:
        """Delete a film, what was begun of it and what was made of it.

        Whoever records films drops first and forgets then, so that a drop that raises or is
        killed is repeated.

        Raises
        ------
        OSError
            If the film cannot be deleted.
        """
        self.path(number).unlink(missing_ok=True)
        self.writing(number).unlink(missing_ok=True)
        shutil.rmtree(self.derived(number), ignore_errors=True)

    def begun(self) -> Iterator[str]:
        """Yield the identifiers of what was begun and did not take its place."""
        for part in self.folder.glob("*/*.part"):
            if _ID.fullmatch(part.stem):
                yield part.stem

    def drop_stray(self, number: str) -> None:
        """Delete what was made of a film if it is neither there nor begun (any more)."""
        # In this order: what was begun takes its place in one step.
        if not self.writing(number).is_file() and not self.path(number).is_file():
            shutil.rmtree(self.derived(number), ignore_errors=True)

    def drop_strays(self) -> None:
        """Delete what was made of films that are neither there nor begun.

        Views of recorded films, which have twice as long identifiers, go by their age
        (`pneumoscore.server.films.recorded`).
        """
        for folder in self.folder.glob(f"*/{'?' * 32}.d"):
            if _ID.fullmatch(folder.stem):
                self.drop_stray(folder.stem)

    def free_bytes(self) -> int:
        """Return how much room the disk has."""
        return shutil.disk_usage(self.folder).free

    def used_bytes(self) -> int:
        """Return how much the store takes, counted at most every few seconds."""
        with self._counting:
            at, used = self._used
            if time.monotonic() - at >= _COUNTED_SECONDS:
                used = _bytes_in(self.folder)
                self._used = (time.monotonic(), used)
            return used


def _bytes_in(folder: Path) -> int:
    total, stack = 0, [os.fspath(folder)]
    while stack:
        # Files come and go while they are counted.
        with contextlib.suppress(OSError), os.scandir(stack.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total
