"""From what the user names to the files to score."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["IMAGE_SUFFIXES", "Found", "expand"]

IMAGE_SUFFIXES = frozenset(
    (
        *(".dcm", ".dicom", ".dic", ".ima"),
        *(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".webp", ".bmp"),
        *(".jp2", ".j2k"),
    )
)
_PREAMBLE = 128


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of an expanded list.

    Attributes
    ----------
    path : Path
        A file to score, or what could not be looked at.
    problem : str or None
        Why it cannot be scored, in one line; None for a file.
    """

    path: Path
    problem: str | None = None


def expand(
    paths: Iterable[str | os.PathLike[str]], *, list_file: BinaryIO | None = None
) -> Iterator[Found]:
    """Expand files, folders and lists, in the order given.

    A file that is named is always tried. A folder is walked to the bottom, sorted by name;
    of its files those are taken whose suffix is an image's (`IMAGE_SUFFIXES`) or whose
    content says DICOM (PS3.10, section 7.1). Hidden files and folders and ``DICOMDIR`` are
    left out; links to folders are followed, each folder once.

    Parameters
    ----------
    paths : iterable of str or path
        Files, folders, or ``-`` for a list of them.
    list_file : binary file object, optional
        Where ``-`` reads its list; by default the standard input. One name a line, or
        ended by NUL characters (as ``find -print0`` writes).

    Yields
    ------
    Found
        What is missing, unreadable or no regular file comes with a problem and stops
        nothing.
    """
    for given in paths:
        if os.fspath(given) == "-":
            for name in _listed(sys.stdin.buffer if list_file is None else list_file):
                yield from _one(Path(name))
        else:
            yield from _one(Path(given))


def _listed(stream: BinaryIO) -> Iterator[str]:
    data = stream.read()
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    yield from (os.fsdecode(name) for name in names if name.strip())


def _one(path: Path) -> Iterator[Found]:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        yield Found(path, _reason(error))
        return
    if stat.S_ISDIR(mode):
        yield from _walk(path, set())
    elif stat.S_ISREG(mode):
        yield Found(path)
    else:
        yield Found(path, "not a regular file; expected a file or a folder")


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Found]:
    """Yield the images below a folder; a stack in place of recursion bears any depth."""
    stack = [folder]
    while stack:
        here = stack.pop()
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                names = sorted((entry.name for entry in entries), key=os.fsencode)
        except OSError as error:
            yield Found(here, _reason(error))
            continue
        folders = []
        for name in names:
            if name.startswith("."):
                continue
            path = here / name
            try:
                mode = path.stat().st_mode
            except FileNotFoundError:
                continue  # a dangling link, or gone since the folder was listed
            except OSError as error:
                yield Found(path, _reason(error))
                continue
            if stat.S_ISDIR(mode):
                folders.append(path)
            elif stat.S_ISREG(mode) and _is_image(path):
                yield Found(path)
        stack.extend(reversed(folders))


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    if path.name.upper() == "DICOMDIR":
        return False
    try:
        with path.open("rb") as stream:
            head = stream.read(_PREAMBLE + 4)
    except OSError:
        # Whatever cannot be opened and has no image's name is not ours to report.
        return False
    return head[_PREAMBLE:] == b"DICM"


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or folder; check the path"
    if isinstance(error, PermissionError):
        return "may not be read; expected read permission for this user"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be looked at: {text}"
