"""Films inside ZIP and TAR files, and those that a DICOMDIR lists."""

from __future__ import annotations

import lzma
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

from pneumoscore.errors import FailureReason, ImageTooLargeError, UnreadableFileError
from pneumoscore.marks import PHANTOM, mark_in
from pneumoscore.pipeline.walk import IMAGE_SUFFIXES, Found, is_dicom

__all__ = ["close_members", "member_bytes", "with_members"]

_LOOKED_AT = 8192
# zlib.error: bytes that are no deflate stream.
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
)
_open = threading.local()


def with_members(found: Iterable[Found], skipped: Counter[str]) -> Iterator[Found]:
    """Yield films, those inside ZIP and TAR files and those of a DICOMDIR among them.

    Parameters
    ----------
    found : iterable of Found
        Files; a ZIP, TAR or DICOMDIR among them is opened, others are handed on.
    skipped : Counter
        Counts members that are no image, or this program's own.
    """
    for item in found:
        kind = None if item.problem is not None else _kind(item.path)
        if kind is None:
            yield item
        elif kind == "DICOMDIR":
            yield from _listed(item.path)
        else:
            yield from _inside(item.path, kind, skipped)


def _kind(path: Path) -> str | None:
    if path.name.upper() == "DICOMDIR":
        return "DICOMDIR"
    try:
        if _is_zip(path):
            return "ZIP"
        # Looking for a TAR in any file would take gzip's word for it; names are safer here.
        suffixes = [suffix.lower() for suffix in path.suffixes]
        if ".tar" in suffixes or suffixes[-1:] == [".tgz"]:
            return "TAR" if tarfile.is_tarfile(path) else None
    except _DAMAGED:
        return None
    return None


def _is_zip(path: Path) -> bool:
    """Whether a file is a ZIP; four bytes near the end of any film may look like one's end."""
    with path.open("rb") as stream:
        return stream.read(2) == b"PK" and zipfile.is_zipfile(stream)


def _inside(path: Path, kind: str, skipped: Counter[str]) -> Iterator[Found]:
    try:
        if kind == "ZIP":
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        yield from _zipped(archive, path, info, skipped)
        else:
            with tarfile.open(path) as archive:
                for member in archive:
                    if not member.isdir():
                        yield from _taped(archive, path, member, skipped)
    except _DAMAGED as error:
        words = f"a damaged {kind} file ({type(error).__name__}); export or copy it again"
        yield Found(path, words, FailureReason.UNREADABLE)


def _zipped(
    archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo, skipped: Counter[str]
) -> Iterator[Found]:
    """Yield a member of a ZIP file; a damaged one costs itself, not those behind it."""
    try:
        with archive.open(info) as stream:
            head = stream.read(_LOOKED_AT)
    except _DAMAGED as error:
        encrypted = bool(info.flag_bits & 1)
        words = (
            "a member under a password; make the archive file without one"
            if encrypted
            else f"a damaged member ({type(error).__name__}); export or copy it again"
        )
        yield Found(path, words, FailureReason.UNREADABLE, member=info.filename)
        return
    yield from _looked_at(path, info.filename, head, skipped)


def _taped(
    archive: tarfile.TarFile, path: Path, member: tarfile.TarInfo, skipped: Counter[str]
) -> Iterator[Found]:
    """Yield a member of a TAR file; a hard link is the file that it stands for."""
    if not (member.isfile() or member.islnk()):
        skipped["no regular file"] += 1
        return
    try:
        with closing(archive.extractfile(member)) as stream:  # type: ignore[type-var]
            head = stream.read(_LOOKED_AT) if stream is not None else b""
    except (KeyError, RecursionError):  # to nothing, or to itself
        words = "a link to nothing; export or copy the archive file again"
        yield Found(path, words, FailureReason.UNREADABLE, member=member.name)
        return
    yield from _looked_at(path, member.name, head, skipped)


def _looked_at(path: Path, name: str, head: bytes, skipped: Counter[str]) -> Iterator[Found]:
    inner = PurePosixPath(name)
    if inner.name.startswith("."):
        skipped["hidden"] += 1
    elif inner.name.upper() == "DICOMDIR":
        skipped["DICOMDIR"] += 1
    elif mark_in(head) not in (None, PHANTOM):
        skipped["made by this program"] += 1
    elif inner.suffix.lower() in IMAGE_SUFFIXES or is_dicom(head):
        yield Found(path, member=name)
    else:
        skipped["no image"] += 1


def _listed(path: Path) -> Iterator[Found]:
    """Yield the images that a DICOMDIR (PS3.10, chapter 8) lists, in its order."""
    from pydicom import dcmread

    try:
        records = list(dcmread(path).DirectoryRecordSequence)
    except Exception as error:  # a hostile DICOMDIR may raise anything
        yield Found(path, _damaged_directory(error), FailureReason.UNREADABLE)
        return
    for record in records:
        try:
            film = _of_record(record, path)
        except Exception as error:  # so may each of its records
            film = Found(path, _damaged_directory(error), FailureReason.UNREADABLE)
        if film is not None:
            yield film


def _damaged_directory(error: Exception) -> str:
    return f"a damaged DICOMDIR ({type(error).__name__}); name its folder instead"


def _of_record(record: Any, path: Path) -> Found | None:
    """Return the film that one record of a DICOMDIR names; None for one of no image."""
    parts = record.get("ReferencedFileID")
    if str(record.get("DirectoryRecordType", "")).upper() != "IMAGE" or not parts:
        return None
    names = [parts] if isinstance(parts, str) else [str(part) for part in parts]
    if any(part in ("", ".", "..") or "/" in part or "\\" in part for part in names):
        words = "a DICOMDIR that points outside its folder; name its films instead"
        return Found(path, words, FailureReason.UNREADABLE)
    film = path.parent.joinpath(*names)
    if film.is_file():
        return Found(film)
    words = "listed by DICOMDIR and not there; bring it back"
    return Found(film, words, FailureReason.MISSING)


def member_bytes(path: Path, member: str, limit: int) -> bytes:
    """Return the bytes of a member; each thread keeps the archive file that it read last open.

    Raises
    ------
    UnreadableFileError
        If the member is missing or damaged.
    ImageTooLargeError
        If it is longer than `limit`, also where it says otherwise.
    """
    try:
        archive = _opened(path)
        if isinstance(archive, zipfile.ZipFile):
            with archive.open(member) as stream:
                data = stream.read(limit + 1)
        else:
            inner = archive.extractfile(member)
            data = b"" if inner is None else inner.read(limit + 1)
    except (KeyError, RecursionError):
        raise UnreadableFileError(f"an archive file without {member!r}") from None
    except _DAMAGED as error:
        raise UnreadableFileError(
            f"a damaged archive file ({type(error).__name__})",
            "an intact one",
            "export or copy it again",
        ) from error
    if len(data) > limit:
        raise ImageTooLargeError("a longer file", f"at most {limit:,} bytes")
    return data


def close_members() -> None:
    """Close the archive file that this thread keeps open."""
    _, archive = getattr(_open, "last", (None, None))
    if archive is not None:
        archive.close()
    _open.last = (None, None)


def _opened(path: Path) -> zipfile.ZipFile | tarfile.TarFile:
    archive: zipfile.ZipFile | tarfile.TarFile | None
    key, archive = getattr(_open, "last", (None, None))
    status = path.stat()
    wanted = (path, status.st_mtime_ns, status.st_size)
    if key != wanted:
        if archive is not None:
            archive.close()
        archive = zipfile.ZipFile(path) if _is_zip(path) else tarfile.open(path)  # noqa: SIM115
        _open.last = (wanted, archive)
    assert archive is not None
    return archive
