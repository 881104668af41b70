"""DICOM files: the header is parsed within bounds, the pixel data located and not read."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError
from pneumoscore.radiograph.dicom_pixels import PixelElement
from pneumoscore.radiograph.elements import Elements
from pneumoscore.radiograph.guard import translated
from pneumoscore.radiograph.limits import ReadOptions

if TYPE_CHECKING:
    from pydicom.tag import BaseTag

__all__ = ["PIXEL_DATA", "DicomFile", "opened"]

PIXEL_DATA = 0x7FE00010
_PIXEL_DATA = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)
_MAX_READS = 200_000
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """A parsed file.

    Attributes
    ----------
    data : bytes
        The file, inflated if it was deflated.
    elements : Elements
        The data set up to the pixel data.
    pixels : PixelElement or None
        Where the pixel data lie in `data`.
    syntax : str
        Transfer syntax UID.
    """

    data: bytes
    elements: Elements
    pixels: PixelElement | None
    syntax: str


class _BoundedReader(BytesIO):
    """Bytes that may be read only so often: hostile headers make pydicom loop for minutes."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > _MAX_READS:
            raise UnreadableFileError("a DICOM header of very many elements", "a radiograph's")
        return super().read(size)


def _meta(data: bytes) -> tuple[Elements, int]:
    """Return the file meta information (PS3.10 7.1) and where the data set begins."""
    from pydicom.filereader import read_dataset

    def beyond(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return tag >> 16 != 2

    start = 132 if data[128:132] == b"DICM" else 0
    file = _BoundedReader(data)
    file.seek(start)
    if data[start : start + 2] != b"\x02\x00":
        from pydicom.dataset import Dataset

        return Elements(Dataset()), start
    with translated("DICOM file"):
        meta = read_dataset(file, False, True, stop_when=beyond)
    return Elements(meta), file.tell()


def _inflated(data: bytes, start: int, options: ReadOptions) -> bytes:
    """Inflate a deflated data set (PS3.5 A.5), at most as long as a file may be."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with translated("deflated DICOM file"):
        inflated = inflater.decompress(data[start:], options.max_file_bytes)
    if inflater.unconsumed_tail:
        raise ImageTooLargeError(
            "a deflated DICOM file that inflates without end",
            f"at most {options.max_file_bytes:,} bytes",
            "raise max_file_bytes if this is a radiograph",
        )
    return inflated


def _guessed_syntax(data: bytes, start: int) -> str:
    """Tell the encoding of a data set without transfer syntax by its first element."""
    explicit = data[start + 4 : start + 6]
    if not (explicit.isalpha() and explicit.isupper()):
        return _IMPLICIT
    return _BIG_ENDIAN if data[start : start + 1] == b"\x00" else _EXPLICIT


def _parsed(data: bytes, start: int, syntax: str) -> tuple[Elements, PixelElement | None]:
    """Parse the data set up to its pixel data, which is located but not read."""
    from pydicom.filereader import read_dataset

    little = syntax != _BIG_ENDIAN
    file = _BoundedReader(data)
    file.seek(start)
    found: list[PixelElement] = []

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if int(tag) in _PIXEL_DATA:
            found.append(PixelElement(int(tag), vr, length, file.tell()))
        return bool(found)

    with translated("DICOM header"):
        dataset = read_dataset(file, syntax == _IMPLICIT, little, stop_when=at_pixels)
    return Elements(dataset, little), found[0] if found else None


def opened(data: bytes, options: ReadOptions) -> DicomFile:
    """Parse the header of a file, with or without preamble.

    Parameters
    ----------
    data : bytes
        The whole file.
    options : ReadOptions
        Bounds what a deflated file may inflate to.

    Raises
    ------
    UnreadableFileError
        If it is damaged.
    ImageTooLargeError
        If it inflates without end.
    """
    meta, start = _meta(data)
    syntax = meta.text(0x00020010) or _guessed_syntax(data, start)
    if syntax == _DEFLATED:
        data, start = _inflated(data, start, options), 0
    elements, pixels = _parsed(data, start, syntax)
    return DicomFile(data, elements, pixels, syntax)
