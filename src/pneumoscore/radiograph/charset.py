"""Text of DICOM files in the character sets of PS3.3 C.12.1.1.2, misspelt terms included."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pneumoscore.radiograph.guard import translated

__all__ = ["codecs_of", "decoded"]

_ISO = re.compile(r"ISO[ _\-]*(2022)?[ _\-]*(?:IR)?[ _\-]*(\d{1,3})")
_LATIN = re.compile(r"(?:ISO[ _\-]*8859[ _\-]*|LATIN[ _\-]*)(\d{1,2})")
_OTHER = {"UTF8": "utf_8", "UTF-8": "utf_8", "UNICODE": "utf_8", "GB2312": "gb18030"}
# ISO_IR 203 (Latin alphabet No. 9) is younger than pydicom's table.
_YOUNGER = {"203": "iso8859_15"}
_ESCAPE = b"\x1b"
# Carriage return, line feed, form feed, tab and backslash end a code extension (PS3.5 6.1.2.5.3).
_DELIMITERS = {0x0D, 0x0A, 0x0C, 0x09, 0x5C}
# Read by their escape sequences whether or not the file announces them.
_EXTENSIONS = (
    "iso8859",
    "latin_1",
    "shift_jis",
    "iso2022_jp",
    "iso2022_jp_2",
    "euc_kr",
    "iso_ir_58",
    *(f"iso8859_{number}" for number in (2, 3, 4)),
    *(f"iso_ir_{number}" for number in (126, 127, 138, 144, 148, 166)),
)


def _codec(term: str) -> str | None:
    """Return the Python codec of one defined term, or None if it means nothing."""
    from pydicom.charset import python_encoding

    term = " ".join(term.upper().split())
    if term in python_encoding:
        return python_encoding[term]
    found = _ISO.fullmatch(term)
    if found:
        number = found[2]
        spelt = (f"ISO 2022 IR {number}", f"ISO_IR {number}")
        known = (python_encoding.get(name) for name in (spelt if found[1] else spelt[::-1]))
        return next((codec for codec in known if codec), _YOUNGER.get(number))
    found = _LATIN.fullmatch(term)
    if found and 1 <= int(found[1]) <= 15:
        return f"iso8859_{int(found[1])}"
    return _OTHER.get(term)


def codecs_of(terms: Sequence[str]) -> tuple[str, ...]:
    """Return the Python codecs of Specific Character Set (0008,0005).

    Parameters
    ----------
    terms : sequence of str
        Its values; an empty first one stands for the default repertoire.

    Returns
    -------
    tuple of str
        The first is that of text without escape sequence. Empty where the file names no
        character set that is known.

    Examples
    --------
    >>> codecs_of(["", "ISO 2022 IR 87"])
    ('iso8859', 'iso2022_jp')
    >>> codecs_of(["ISO IR 192"]) == codecs_of(["iso-ir192"]) == codecs_of(["ISO_IR 192"])
    True
    >>> codecs_of(["nonsense"])
    ()
    """
    found = [_codec(term) for term in terms]
    known = tuple(codec for codec in found if codec)
    return known if any(term.strip() for term in terms) else ()


def decoded(value: bytes, codecs: Sequence[str]) -> str:
    """Decode text by the file's character sets; never fails and never joins two texts in one.

    Parameters
    ----------
    value : bytes
        The element's value.
    codecs : sequence of str
        As `codecs_of` gives them; if empty, valid UTF-8 is taken as such.

    Returns
    -------
    str
        What the character sets do not explain is read as Latin-1, which keeps different
        bytes different; replacement characters would not.
    """
    if value.isascii() and _ESCAPE not in value and "shift_jis" not in codecs[:1]:
        return value.decode("ascii")
    first = codecs[0] if codecs else "utf_8"
    if _ESCAPE not in value:
        try:
            return value.decode(first)
        except (UnicodeError, LookupError):
            return value.decode("latin-1")
    from pydicom.charset import decode_bytes

    used = [first, *codecs[1:], *_EXTENSIONS]
    try:
        with translated("DICOM text"):
            # pydicom leaves the escape sequence of GB 2312 in the text.
            text = decode_bytes(value, used, _DELIMITERS).replace("\x1b$)A", "")
    except Exception:
        text = "\ufffd"
    return value.decode("latin-1") if "\ufffd" in text else text
