"""Values of DICOM elements, decoded here from their bytes.

pydicom decodes lazily and warns or raises with the value in its message, which may be the
name of a patient. These accessors never do.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pneumoscore.errors import UnreadableFileError
from pneumoscore.radiograph.charset import codecs_of, decoded
from pneumoscore.radiograph.guard import translated

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Elements", "cleaned", "exact"]

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_CHARACTER_SET = 0x00080005
_MAX_TEXT = 256
_MAX_NUMBERS = 65_536
_LIKE_AN_ESCAPE = re.compile(r"\\[xuUnrt\\]")


def cleaned(text: str) -> str:
    """Return `text` without control characters and surrounding space, cut to 256 characters."""
    return "".join(char for char in text if char.isprintable())[:_MAX_TEXT].strip()


def exact(text: str) -> str:
    r"""Return an identifier so that different ones stay different, and can be printed.

    Spaces around it and nulls behind it, which DICOM calls insignificant or padding, go.
    Characters that cannot be printed are written as escapes, a backslash beside them as two;
    what is over 256 characters long ends in a hash of the whole.

    Examples
    --------
    >>> exact(" 47\x0011 "), exact("4711\x00"), exact("D\u200b1")
    ('47\\x0011', '4711', 'D\\u200b1')
    """
    text = text.strip(" ").rstrip("\x00 ")
    if not text.isprintable() or _LIKE_AN_ESCAPE.search(text):
        text = "".join(
            char if char.isprintable() and char != "\\" else _escaped(char) for char in text
        )
    if len(text) > _MAX_TEXT:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        text = f"{text[: _MAX_TEXT - 17]}~{digest}"
    return text


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class Elements:
    """The elements of one data set or sequence item.

    Parameters
    ----------
    dataset : pydicom.Dataset
        As pydicom parsed it, with raw elements.
    little : bool
        Whether numbers are little endian.
    codecs : sequence of str, optional
        Python codecs of text where the data set itself does not name them: those of the data
        set that an item belongs to.
    """

    def __init__(
        self, dataset: Dataset, little: bool = True, codecs: Sequence[str] | None = None
    ) -> None:
        self._dataset = dataset
        self.little = little
        self._codecs: tuple[str, ...] | None = None if codecs is None else tuple(codecs)

    @property
    def codecs(self) -> tuple[str, ...]:
        """Python codecs of Specific Character Set (0008,0005), here or around."""
        if self._codecs is None or _CHARACTER_SET in self:
            terms = self.raw(_CHARACTER_SET)[1][: 16 * _MAX_TEXT].decode("latin-1").split("\\")
            stated = codecs_of([cleaned(term) for term in terms])
            self._codecs = stated or self._codecs or ()
        return self._codecs

    def raw(self, tag: int) -> tuple[str | None, bytes]:
        """Return value representation (None in implicit VR) and bytes; empty if absent."""
        if tag not in self._dataset:
            return None, b""
        item = self._dataset.get_item(tag, keep_deferred=True)
        value = getattr(item, "value", None)
        return getattr(item, "VR", None), value if isinstance(value, bytes) else b""

    def __contains__(self, tag: int) -> bool:
        return tag in self._dataset

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the values of a text element, cleaned; empty if absent."""
        value = self.raw(tag)[1]
        if not value:
            return ()
        text = decoded(value[: 16 * _MAX_TEXT], self.codecs)
        return tuple(cleaned(part) for part in text.split("\\"))

    def text(self, tag: int) -> str | None:
        """Return the first value of a text element, or None if absent or empty."""
        return next((text for text in self.texts(tag)[:1] if text), None)

    def identifier(self, tag: int) -> str | None:
        """Return the whole value of an element that identifies (see `exact`), or None.

        A backslash in it parts no values: an identifier has one.
        """
        value = self.raw(tag)[1]
        return exact(decoded(value, self.codecs)) or None

    def numbers(self, tag: int, vr: str) -> tuple[float, ...]:
        """Return the values of a numeric element.

        Parameters
        ----------
        tag : int
            For example ``0x00281050``.
        vr : str
            Its value representation in the data dictionary, used where the file has none.

        Returns
        -------
        tuple of float
            Empty if absent or empty.

        Raises
        ------
        UnreadableFileError
            If the element holds no finite numbers.
        """
        stated, value = self.raw(tag)
        kind = stated if stated in _BINARY or stated in ("DS", "IS") else vr
        if not value.strip(b" \x00") and kind not in _BINARY:
            return ()
        try:
            numbers = self._unpacked(value, kind)
        except (ValueError, struct.error) as error:
            raise UnreadableFileError(
                f"DICOM element ({tag >> 16:04X},{tag & 0xFFFF:04X}) that holds no number",
                f"value representation {vr}",
            ) from error
        if not all(abs(number) < 1e300 for number in numbers):
            raise UnreadableFileError(
                f"DICOM element ({tag >> 16:04X},{tag & 0xFFFF:04X}) that is not finite"
            )
        return numbers

    def _unpacked(self, value: bytes, kind: str) -> tuple[float, ...]:
        if kind in _BINARY:
            code = _BINARY[kind]
            count = min(len(value) // struct.calcsize(code), _MAX_NUMBERS)
            size = count * struct.calcsize(code)
            return struct.unpack(f"{'<' if self.little else '>'}{count}{code}", value[:size])
        parts = value[: 16 * _MAX_NUMBERS].decode("ascii").replace("\x00", " ").split("\\")
        return tuple(_decimal(part) for part in parts if part.strip())

    def number(self, tag: int, vr: str) -> float | None:
        """Return the first value of a numeric element, or None if absent (see `numbers`)."""
        return next(iter(self.numbers(tag, vr)), None)

    def items(self, tag: int) -> tuple[Elements, ...]:
        """Return the items of a sequence; empty if absent or no sequence.

        Raises
        ------
        UnreadableFileError
            If the sequence is damaged.
        """
        if tag not in self._dataset:
            return ()
        with translated("DICOM sequence"):
            value = self._dataset[tag].value
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            return ()
        return tuple(
            Elements(item, self.little, self.codecs) for item in value if hasattr(item, "get_item")
        )


def _decimal(text: str) -> float:
    # Python alone takes 1_000 for a number.
    if "_" in text:
        raise ValueError(text)
    # Some systems write the decimal comma of their country.
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return float(text)
