"""Bytes of a source, bounded, and what kind of file they are by content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from pneumoscore.errors import ImageTooLargeError, MissingFileError, UnreadableFileError
from pneumoscore.radiograph.limits import ReadOptions

__all__ = ["READABLE", "Source", "kind_of", "read_bytes"]

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

READABLE = "DICOM, PNG, JPEG, TIFF, WebP, BMP or JPEG 2000"

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"GIF8", "a GIF image"),
    (b"\x00\x00\x00\x1cftyp", "a video or HEIF file"),
    (b"\x00\x00\x00\x18ftyp", "a video or HEIF file"),
    (b"\x7fELF", "a program"),
    (b"\x93NUMPY", "a NumPy array"),
)
# First groups of data sets written without preamble: command, file meta, identifying.
_FIRST_GROUPS = (0x0000, 0x0002, 0x0008)


def _too_long(options: ReadOptions) -> ImageTooLargeError:
    return ImageTooLargeError(
        "a longer file",
        f"at most {options.max_file_bytes:,} bytes",
        "raise max_file_bytes if this is a radiograph",
    )


def _read_path(source: str | os.PathLike[str], options: ReadOptions) -> bytes:
    try:
        path = Path(source)
        status = path.stat()
        # A pipe or a device could block or never end.
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableFileError("a folder", "a file")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableFileError("a pipe, socket or device", "a regular file")
        if status.st_size > options.max_file_bytes:
            raise _too_long(options)
        with path.open("rb") as file:
            # Asked for more, Python takes that much memory first, and gives it back every time.
            data = file.read(status.st_size + 1)
            if len(data) > status.st_size:  # it has grown since
                data += file.read(options.max_file_bytes + 1 - len(data))
    except FileNotFoundError as error:
        raise MissingFileError(f"a file that cannot be opened ({error.strerror})") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the name is not valid"
        raise UnreadableFileError(f"a file that cannot be opened ({reason})") from error
    return data


def _read_stream(source: BinaryIO, options: ReadOptions) -> bytes:
    pieces, length = [], 0
    try:
        # A raw stream may return less than asked.
        while length <= options.max_file_bytes:
            piece = source.read(min(2**20, options.max_file_bytes + 1 - length))
            if not piece:
                break
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise UnreadableFileError(
                    "a stream of text", "a binary stream", 'open the file with mode "rb"'
                )
            pieces.append(bytes(piece))
            length += len(piece)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"a stream that fails ({type(error).__name__})") from error
    return b"".join(pieces)


def read_bytes(source: Source, options: ReadOptions) -> bytes:
    """Return all bytes of a source.

    Parameters
    ----------
    source : str, path, bytes or binary file object
        A file object is read from its current position to its end and left open.
    options : ReadOptions
        Holds the bound on the length.

    Returns
    -------
    bytes
        At least one.

    Raises
    ------
    MissingFileError
        If it is a path where there is no file.
    UnreadableFileError
        If the source is no regular file, unreadable or empty.
    ImageTooLargeError
        If it is longer than ``options.max_file_bytes``.
    TypeError
        If `source` is of another type.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike):
        data = _read_path(source, options)
    elif hasattr(source, "read"):
        data = _read_stream(source, options)
    else:
        raise TypeError(f"source is a {type(source).__name__}; expected a path, bytes or a file")
    if len(data) > options.max_file_bytes:
        raise _too_long(options)
    if not data:
        raise UnreadableFileError("an empty file", f"a radiograph as {READABLE}")
    return data


def _is_bare_dicom(data: bytes) -> bool:
    """Whether `data` starts like a DICOM data set without preamble (PS3.5 7.1)."""
    if len(data) < 16:
        return False
    group = int.from_bytes(data[:2], "little")
    if group not in _FIRST_GROUPS:
        return int.from_bytes(data[:2], "big") == 0x0008 and data[4:6].isalpha()
    element = int.from_bytes(data[2:4], "little")
    if data[4:6].isalpha() and data[4:6].isupper():
        return True
    # Implicit VR: a short value of a low element.
    return element <= 0x0070 and int.from_bytes(data[4:8], "little") <= 128


def _foreign(data: bytes) -> str:
    for signature, name in _FOREIGN:
        if data.startswith(signature):
            return name
    head = data[:512]
    if head.lstrip()[:1] == b"<":
        return "a web page or XML text"
    if all(byte in b"\t\n\r\f" or byte >= 32 for byte in head) and b"\x7f" not in head:
        return "text"
    return "a file of unknown kind"


def kind_of(data: bytes) -> str:
    """Return the kind of a file by its content; its name does not matter.

    Parameters
    ----------
    data : bytes
        The whole file, or at least its first 132 bytes.

    Returns
    -------
    str
        ``"DICOM"`` or a Pillow format name: ``"PNG"``, ``"JPEG"``, ``"TIFF"``, ``"WEBP"``,
        ``"BMP"``, ``"JPEG2000"``.

    Raises
    ------
    UnreadableFileError
        If it is none of these; the message names what it is, where known.

    Examples
    --------
    >>> kind_of(b"RIFF....WEBPVP8 ")
    'WEBP'
    """
    # A DICOM preamble may hold the header of another format (PS3.10 7.1), so it comes first.
    if data[128:132] == b"DICM":
        return "DICOM"
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if _is_bare_dicom(data):
        return "DICOM"
    raise UnreadableFileError(_foreign(data), f"a radiograph as {READABLE}")
