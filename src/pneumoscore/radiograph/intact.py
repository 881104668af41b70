"""Whether a picture that Pillow does not take is whole: then it is not damaged but unsupported."""

from __future__ import annotations

import struct

__all__ = ["is_intact", "of_unread_process"]

# Bytes of a value by TIFF field type (TIFF 6.0, section 2; BigTIFF).
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
_WIDTH, _LENGTH = 256, 257
_OFFSETS, _COUNTS = (273, 324), (279, 325)
_END, _SCAN = b"\xff\xd9", 0xDA
# Starts of frame of every process (ITU-T T.81, table B.1), and of JPEG-LS.
_FRAMES = (*(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)), 0xF7)
# Baseline, extended, progressive, lossless, JPEG-LS.
_READ = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)


def is_intact(data: bytes, kind: str) -> bool:
    """Tell a whole file of an unusual layout from a damaged one.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        ``"TIFF"``, ``"JPEG"`` or ``"BMP"``; files of other kinds are never called intact.

    Returns
    -------
    bool
        Whether its own lengths and offsets lie inside it and what an image needs is there.
    """
    check = {"TIFF": _tiff, "JPEG": _jpeg, "BMP": _bmp}.get(kind)
    try:
        return check is not None and check(data)
    except (struct.error, IndexError, ValueError, OverflowError):
        return False


def _tiff(data: bytes) -> bool:
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    word, header = ("Q", 8) if big else ("I", 4)
    (start,) = struct.unpack_from(f"{order}{word}", data, header)
    (entries,) = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)
    start += 8 if big else 2
    step = 20 if big else 12
    if not 0 < entries < 4096:
        return False
    tags: dict[int, tuple[int, ...]] = {}
    for number in range(entries):
        place = start + number * step
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, place)
        size = _TIFF_SIZES.get(kind, 1) * count
        value = place + 4 + struct.calcsize(word)
        if size > struct.calcsize(word):
            (value,) = struct.unpack_from(f"{order}{word}", data, value)
        if value + size > len(data):
            return False
        code = {3: "H", 4: "I", 16: "Q"}.get(kind)
        if code is not None:
            tags[tag] = struct.unpack_from(f"{order}{count}{code}", data, value)
    if not (tags.get(_WIDTH, (0,))[0] and tags.get(_LENGTH, (0,))[0]):
        return False
    offsets = next((tags[tag] for tag in _OFFSETS if tag in tags), ())
    counts = next((tags[tag] for tag in _COUNTS if tag in tags), ())
    ends = [offset + count for offset, count in zip(offsets, counts, strict=False)]
    return bool(ends) and len(offsets) == len(counts) and max(ends) <= len(data)


def _jpeg(data: bytes) -> bool:
    return _process(data) is not None


def _process(data: bytes) -> int | None:
    """Return the start-of-frame marker of a JPEG file that is whole, else None."""
    position, frame = 2, None
    while data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        frame = marker if marker in _FRAMES else frame
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
        if marker == _SCAN:
            return frame if data.rstrip(b"\x00").endswith(_END) else None
    return None


def of_unread_process(data: bytes) -> bool:
    """Whether a JPEG file is whole but arithmetically coded, hierarchical or the like."""
    try:
        return _process(data) not in (None, *_READ)
    except (struct.error, IndexError):
        return False


def _bmp(data: bytes) -> bool:
    size, _reserved, start = struct.unpack_from("<III", data, 2)
    wide, high = struct.unpack_from("<ii", data, 18)
    return bool(size == len(data) and 26 <= start < size and wide != 0 and high != 0)
