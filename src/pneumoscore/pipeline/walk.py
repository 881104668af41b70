"""From what the user names to the files to score; what is passed over is counted."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pneumoscore.errors import (
    FailureReason,
    SettingsError,
    UnreadableFileError,
    failure_reason,
)
from pneumoscore.marks import PHANTOM, mark_in
from pneumoscore.radiograph.source import kind_of

__all__ = ["IMAGE_SUFFIXES", "Found", "expand", "is_dicom"]

IMAGE_SUFFIXES = frozenset(
    (
        *(".dcm", ".dicom", ".dic", ".ima"),
        *(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".webp", ".bmp"),
        *(".jp2", ".j2k"),
    )
)
CONTAINER_SUFFIXES = frozenset((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz"))
_LOOKED_AT = 8192
_SHORTEST_UTF16 = 8


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of an expanded list.

    Attributes
    ----------
    path : Path
        A file to score, or what could not be looked at.
    problem : str or None
        Why it cannot be scored, in one line; None for a file.
    reason : FailureReason or None
        The same for machines.
    member : str or None
        Name inside an archive file (``path``); None for a file of its own.
    named : bool
        Whether the caller named it, and not a folder or a list that holds it.
    """

    path: Path
    problem: str | None = None
    reason: FailureReason | None = None
    member: str | None = None
    named: bool = False

    def data(self, limit: int) -> bytes | None:
        """Return the bytes of a member of an archive file; None for a file of its own.

        Parameters
        ----------
        limit : int
            Most bytes.

        Raises
        ------
        PneumoScoreError
            If the member is missing, damaged or longer.
        """
        if self.member is None:
            return None
        from pneumoscore.pipeline.members import member_bytes

        return member_bytes(self.path, self.member, limit)


def expand(
    paths: Iterable[str | os.PathLike[str]],
    *,
    list_file: BinaryIO | None = None,
    skipped: Counter[str] | None = None,
    containers: bool = False,
) -> Iterator[Found]:
    """Expand files, folders and lists, in the order given.

    A file that is named is always tried. A folder is walked to the bottom, sorted by name;
    of its files those are taken whose suffix is an image's (`IMAGE_SUFFIXES`) or whose
    content says DICOM (PS3.10, section 7.1, or a data set without preamble). What this
    program wrote itself, hidden files and folders, ``DICOMDIR`` and all else is passed over;
    links to folders are followed, each folder once.

    Parameters
    ----------
    paths : iterable of str or path
        Files, folders, or ``-`` for a list of them.
    list_file : binary file object, optional
        Where ``-`` reads its list; by default the standard input. One name a line, in UTF-8
        or UTF-16, or ended by NUL characters (as ``find -print0`` writes).
    skipped : Counter, optional
        Counts what is passed over in folders, by why.
    containers : bool, optional
        Also look into ZIP and TAR files, and at what a ``DICOMDIR`` that is named lists.

    Yields
    ------
    Found
        What is missing, unreadable, a link to nothing or no regular file comes with a problem
        and stops nothing.

    Raises
    ------
    SettingsError
        If a list is damaged UTF-16.
    """
    counts: Counter[str] = Counter() if skipped is None else skipped
    found = _expanded(paths, list_file, counts, containers)
    if not containers:
        return found
    from pneumoscore.pipeline.members import with_members

    return with_members(found, counts)


def _expanded(
    paths: Iterable[str | os.PathLike[str]],
    list_file: BinaryIO | None,
    counts: Counter[str],
    containers: bool,
) -> Iterator[Found]:
    for given in paths:
        if os.fspath(given) == "-":
            for name in _listed(sys.stdin.buffer if list_file is None else list_file):
                yield from _one(Path(name), counts, containers, named=False)
        else:
            yield from _one(Path(given), counts, containers, named=True)


def _listed(stream: BinaryIO) -> list[str]:
    data = stream.read()
    try:
        text = _utf16(data)
        if text is not None:
            return [_name(line) for line in text.splitlines() if line.strip()]
    except UnicodeError:
        raise SettingsError(
            "a list of names that is damaged UTF-16",
            "names one a line, in UTF-8 or UTF-16, or ended by NUL",
        ) from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name.strip()]


def _utf16(data: bytes) -> str | None:
    """Return a list in UTF-16, with or without byte order mark; None if it is in another code.

    Taken as names that end with NUL, its single letters would be names, and ``/`` one of them.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "surrogatepass")
    if len(data) >= _SHORTEST_UTF16 and len(data) % 2 == 0:
        for codec, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
            if not any(zeros):
                return data.decode(codec, "surrogatepass")
    return None


def _name(line: str) -> str:
    """Return a name as the system holds it, bytes that are no UTF-8 as its own escapes."""
    if os.name == "nt":
        return line  # its names are UTF-16 themselves
    return os.fsdecode(line.encode("utf-8", "surrogatepass"))


def _one(path: Path, skipped: Counter[str], containers: bool, *, named: bool) -> Iterator[Found]:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        yield _problem(path, error, named=named)
        return
    if stat.S_ISDIR(mode):
        yield from _walk(path, skipped, containers)
    elif stat.S_ISREG(mode):
        yield Found(path, named=named)
    else:
        words = "not a regular file; expected a file or a folder"
        yield Found(path, words, FailureReason.UNREADABLE, named=named)


def _walk(folder: Path, skipped: Counter[str], containers: bool) -> Iterator[Found]:
    """Yield the images below a folder; a stack in place of recursion bears any depth."""
    seen: set[tuple[int, int]] = set()
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
            yield _problem(here, error)
            continue
        folders = []
        for name in names:
            path = here / name
            if name.startswith("."):
                skipped["hidden"] += 1
                continue
            try:
                mode = path.stat().st_mode
            except FileNotFoundError as error:
                if path.is_symlink():
                    yield _problem(path, error)
                continue  # else gone since the folder was listed
            except OSError as error:
                yield _problem(path, error)
                continue
            if stat.S_ISDIR(mode):
                folders.append(path)
            elif stat.S_ISREG(mode):
                yield from _looked_at(path, skipped, containers)
            else:
                skipped["no regular file"] += 1
        stack.extend(reversed(folders))


def _looked_at(path: Path, skipped: Counter[str], containers: bool) -> Iterator[Found]:
    """Yield a file of a folder if it is an image that this program did not write."""
    if path.name.upper() == "DICOMDIR":
        skipped["DICOMDIR"] += 1
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(_LOOKED_AT)
    except OSError as error:
        yield _problem(path, error)
        return
    suffix = path.suffix.lower()
    if mark_in(head) not in (None, PHANTOM):
        skipped["made by this program"] += 1
    elif (
        suffix in IMAGE_SUFFIXES or is_dicom(head) or (containers and suffix in CONTAINER_SUFFIXES)
    ):
        yield Found(path)
    else:
        skipped["no image"] += 1


def is_dicom(head: bytes) -> bool:
    """Whether the start of a file says DICOM, with or without preamble."""
    try:
        return kind_of(head) == "DICOM"
    except UnreadableFileError:
        return False


def _problem(path: Path, error: OSError | ValueError, *, named: bool = False) -> Found:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        words = "a link to nothing; bring its target back, or remove the link"
    elif isinstance(error, FileNotFoundError):
        words = "no such file or folder; check the path"
    elif isinstance(error, PermissionError):
        words = "may not be read; expected read permission for this user"
    else:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        words = f"cannot be looked at: {text}"
    reason = failure_reason(error) if isinstance(error, OSError) else FailureReason.UNREADABLE
    return Found(path, words, reason, named=named)
