"""Whole files: hashed, and written by one rule.

The rule for what a user names as an output (`check_output`, `written`): never a file that
the run reads; nothing that was there, unless it is this program's own earlier output (a phantom
only for another phantom: to all else it is a film) or the user said ``--overwrite``; a device,
a pipe or an open descriptor (``/dev/stdout``) is written into; a link is followed. A file
appears whole or not at all.

What this program writes carries its mark (`pneumoscore.marks`), by which a later run knows it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from pneumoscore.errors import OutputError
from pneumoscore.marks import LOOKED_AT, PHANTOM, mark_in, mark_of

__all__ = [
    "FileIdentity",
    "Header",
    "check_object",
    "check_output",
    "first_line",
    "identity_of",
    "sha256_of",
    "sync_folder",
    "write",
    "write_atomically",
    "written",
    "written_atomically",
]

_NAME_KEPT = 48
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
PRIVATE = 0o600
"""Mode of files that hold identifiers of patients."""
FileIdentity = tuple[int, int]
"""Device and number of a file, whatever its name."""
Header = bytes | re.Pattern[bytes] | None
"""What tables of one kind begin with."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal and lower case.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def identity_of(path: Path) -> FileIdentity:
    """Return which file a path leads to.

    Raises
    ------
    OSError
        If it leads to none.
    """
    status = path.stat()
    return status.st_dev, status.st_ino


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, so that a file that was moved there stays there.

    Windows opens no folders, and keeps their names by itself.

    Raises
    ------
    OSError
        If the folder cannot be opened, or its disk fails.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def first_line(data: bytes) -> bytes:
    """Return the first line of a text, its end included: what tells tables of one kind."""
    return data[: data.find(b"\n") + 1] or data


def check_output(
    path: Path,
    *,
    inputs: Iterable[Path] = (),
    read: Container[FileIdentity] = (),
    overwrite: bool = False,
    header: Header = None,
    kind: str | None = None,
) -> None:
    """Raise unless the rule lets `path` be written; looks, and changes nothing.

    Call it before long work; `written` calls it too.

    Parameters
    ----------
    path : Path
        The output that the user named.
    inputs : iterable of Path, optional
        Files and folders that the run reads: what exists and is one of them, or lies in one
        and is not this program's own, is never replaced, `overwrite` or not.
    read : container of FileIdentity, optional
        Further files that the run reads, as those of a list: never replaced either.
    overwrite : bool, optional
        Whether the user allowed to replace what is there.
    header : bytes or pattern, optional
        First line of the table about to be written, or what matches it: a file that begins so
        is an earlier output of it. For formats that have no place for a mark.
    kind : str, optional
        What the output's mark will say. A phantom is an earlier output for another one
        (`PHANTOM`) alone: for all else it is a film.

    Raises
    ------
    OutputError
        If the file must not be replaced.
    OSError
        If what is there cannot be looked at.
    """
    if _descriptor(path) is not None:
        return
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path} is a folder", "the name of a file to write")
    if not stat.S_ISREG(status.st_mode):
        return
    _refuse_read(path, status, read)
    inside = False
    for given in inputs:
        if _same(given, status):
            raise _is_read(path)
        inside = inside or (given.is_dir() and path.resolve().is_relative_to(given.resolve()))
    if status.st_size == 0 or _is_own(path, header, kind):
        return
    if inside:
        raise OutputError(
            f"{path} lies in a folder that this run reads", "an output of another name"
        )
    if not overwrite:
        raise _is_foreign(str(path))


def _is_read(path: Path) -> OutputError:
    return OutputError(f"{path} is a file that this run reads", "an output of another name")


def _is_foreign(name: str) -> OutputError:
    return OutputError(
        f"{name} exists and is no earlier output of this program",
        "a new name",
        "name another file, or give --overwrite where the command has it",
    )


def _refuse_read(path: Path, status: os.stat_result, read: Container[FileIdentity]) -> None:
    if (status.st_dev, status.st_ino) in read:
        raise _is_read(path)


def _same(given: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(given.stat(), status)
    except (OSError, ValueError):
        return False


def _is_own(path: Path, header: Header, kind: str | None) -> bool:
    with path.open("rb") as stream:
        head = stream.read(max(LOOKED_AT, len(header) if isinstance(header, bytes) else 0))
    return _begins_with(head, header) or _is_result(mark_of(path), kind)


def _is_result(mark: str | None, kind: str | None = None) -> bool:
    return mark is not None and (mark != PHANTOM or kind == PHANTOM)


def _begins_with(head: bytes, header: Header) -> bool:
    """Return whether a file's first bytes are those of a table (see `check_output`)."""
    if isinstance(header, re.Pattern):
        return header.match(head) is not None
    return bool(header) and head.startswith(header or b"")


def check_object(name: str, head: bytes, header: Header = None) -> None:
    """Raise unless an object of a store may be replaced, by the same rule.

    Parameters
    ----------
    name : str
        Its place, for the message.
    head : bytes
        Its first 8 KiB.
    header : bytes or pattern, optional
        As in `check_output`.

    Raises
    ------
    OutputError
        If it is not empty and no earlier output of this program.
    """
    if head and not _begins_with(head, header) and not _is_result(mark_in(head)):
        raise _is_foreign(name)


def _descriptor(path: Path) -> int | None:
    """Return the open descriptor that a path names, or None."""
    text = os.fspath(path)
    found = _DESCRIPTOR.fullmatch(text)
    return int(found[1]) if found else _STANDARD.get(text)


@contextlib.contextmanager
def written(
    path: Path,
    *,
    inputs: Iterable[Path] = (),
    read: Container[FileIdentity] = (),
    overwrite: bool = False,
    header: Header = None,
    kind: str | None = None,
    private: bool = False,
    make_folder: bool = False,
) -> Iterator[BinaryIO]:
    """Open an output that the user named, by the rule above; it appears when the block ends.

    Parameters
    ----------
    path, inputs, read, overwrite, header, kind
        As in `check_output`; what is `read` when the block ends counts too.
    private : bool, optional
        For files that hold identifiers of patients: only the owner may read them (0600).
        Others have the mode that the umask gives, and a file that is replaced keeps its own.
    make_folder : bool, optional
        Make its folder where there is none.

    Yields
    ------
    BinaryIO
        To write to; not to be closed.

    Raises
    ------
    OutputError
        If the file must not be replaced.
    OSError
        If it cannot be written.
    """
    check_output(path, inputs=inputs, read=read, overwrite=overwrite, header=header, kind=kind)
    descriptor = _descriptor(path)
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            yield stream
    elif path.exists() and not path.is_file():
        # A device or a pipe: there is nothing to replace.
        with path.open("wb") as stream:
            yield stream
    else:
        target = path.resolve() if path.is_symlink() else path
        with written_atomically(target, private=private, make_folder=make_folder) as stream:
            yield stream
            with contextlib.suppress(FileNotFoundError):
                _refuse_read(path, path.stat(), read)


def write(
    path: Path,
    data: bytes,
    *,
    inputs: Iterable[Path] = (),
    read: Container[FileIdentity] = (),
    overwrite: bool = False,
    header: Header = None,
    kind: str | None = None,
    private: bool = False,
    make_folder: bool = False,
) -> None:
    """Write `data` to an output that the user named (see `written`)."""
    with written(
        path,
        inputs=inputs,
        read=read,
        overwrite=overwrite,
        header=header,
        kind=kind,
        private=private,
        make_folder=make_folder,
    ) as stream:
        stream.write(data)


@contextlib.contextmanager
def written_atomically(
    path: Path, *, private: bool = False, make_folder: bool = True
) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` that takes its place when the block ends well.

    For files in folders that are the program's own; it replaces whatever is there. The bytes
    are on the disk before the name changes, so `path` is absent, old or complete, never
    partial. When the block raises, the temporary file is removed.

    Parameters
    ----------
    path : Path
        The file to write.
    private : bool, optional
        Whether only the owner may read it.
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
    # Only the start of the name: the longest name would leave no room for what is added.
    temporary = path.with_name(f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(4)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, PRIVATE if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if not private:
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(
    path: Path, data: bytes, *, private: bool = False, make_folder: bool = True
) -> None:
    """Write `data` to a file of the program's own (see `written_atomically`)."""
    with written_atomically(path, private=private, make_folder=make_folder) as stream:
        stream.write(data)
