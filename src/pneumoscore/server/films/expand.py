"""The films of a ZIP file, taken out under bounds; done in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pneumoscore.errors import FailureReason, PneumoScoreError
from pneumoscore.pipeline.members import close_members, with_members
from pneumoscore.pipeline.walk import Found

__all__ = ["Bounds", "Expanded", "Member", "expand_archive", "is_archive"]

_MEMORY = 2**30
_ENTRIES = 20
"""Entries that an archive may have for each film that it may: a CD brings its viewer along."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one archive may hold.

    Attributes
    ----------
    films : int
        Most films.
    film_bytes : int
        Most bytes of one film; a longer one is named and the others are taken.
    bytes : int
        Most bytes of all films together.
    """

    films: int
    film_bytes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """One film of an archive.

    Attributes
    ----------
    name : str
        Its name there; never used as a path.
    file : str or None
        Name of the file that it was written to, in the folder given; None without one.
    sha256 : str
        Of its bytes; empty without a file.
    error : str or None
        Why it could not be taken out.
    reason : FailureReason or None
        The same for machines.
    """

    name: str
    file: str | None = None
    sha256: str = ""
    error: str | None = None
    reason: FailureReason | None = None


@dataclass(frozen=True, slots=True)
class Expanded:
    """What came out of an archive.

    Attributes
    ----------
    members : tuple of Member
        In the archive's order.
    skipped : dict of str to int
        Members that are no film, counted by why.
    refused : str or None
        Why nothing was taken out: a bound that the whole archive breaks.
    """

    members: tuple[Member, ...] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    refused: str | None = None


def is_archive(path: Path) -> bool:
    """Return whether a file is a ZIP file by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def expand_archive(archive: Path, out: Path, bounds: Bounds) -> Expanded:
    """Take the films out of a ZIP file, by the reader of `pneumoscore.pipeline.members`.

    What lies in an archive inside the archive is not looked at, and no name from it becomes a
    path.

    Parameters
    ----------
    archive : Path
        The ZIP file.
    out : Path
        Folder, made here, for files named by number.
    bounds : Bounds
        What it may hold.
    """
    skipped: Counter[str] = Counter()
    try:
        with _bounded_memory():
            with zipfile.ZipFile(archive) as opened:
                entries = len(opened.infolist())
            if entries > bounds.films * _ENTRIES:
                most = f"at most {bounds.films * _ENTRIES} entries"
                return Expanded(refused=f"a ZIP file with {entries} entries; expected {most}")
            return _taken_out(archive, out, bounds, skipped)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, MemoryError) as error:
        words = f"a damaged ZIP file ({type(error).__name__}); export or copy it again"
        return Expanded((Member("", None, "", words, FailureReason.UNREADABLE),))
    finally:
        close_members()


def _taken_out(archive: Path, out: Path, bounds: Bounds, skipped: Counter[str]) -> Expanded:
    out.mkdir(mode=0o700)
    members: list[Member] = []
    left = bounds.bytes
    for found in with_members([Found(archive)], skipped):
        if len(members) == bounds.films:
            words = f"a ZIP file with more than {bounds.films} films; send it in parts"
            return Expanded(refused=words)
        member, length = _written(found, out / str(len(members)), min(bounds.film_bytes, left))
        left -= length
        if left < 0:
            words = f"a ZIP file that unpacks to more than {bounds.bytes} bytes"
            return Expanded(refused=words)
        members.append(member)
    return Expanded(tuple(members), dict(skipped))


def _written(found: Found, path: Path, limit: int) -> tuple[Member, int]:
    """Write one member; return it with the bytes that were unpacked for it."""
    name = found.member or ""
    if found.problem is not None:
        return Member(name, None, "", found.problem, found.reason), 0
    try:
        data = found.data(limit) or b""
    except PneumoScoreError as error:
        # Also one that is longer than it may be has been unpacked up to its bound.
        reason = getattr(error, "reason", FailureReason.UNREADABLE)
        too_long = reason is FailureReason.UNSUPPORTED
        return Member(name, None, "", str(error), reason), limit + 1 if too_long else 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return Member(name, path.name, hashlib.sha256(data).hexdigest()), len(data)


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let this process take so much memory more, where the system can bound it.

    A ZIP file's table of contents is read whole before anything in it can be counted.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = pages * resource.getpagesize() + _MEMORY
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
