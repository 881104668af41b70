"""Who we are towards an archive: the coding scheme, the device, and UIDs that can be made again."""

from __future__ import annotations

import hashlib
import re
from functools import cache

__all__ = [
    "CODING_SCHEME",
    "CODING_SCHEME_UID",
    "DEVICE_UID",
    "IMPLEMENTATION_UID",
    "MANUFACTURER",
    "PRODUCT",
    "is_uid",
    "own_uid",
    "software_version",
]

CODING_SCHEME = "99PNEUMOSCORE"
"""Designator of the private codes (PS3.16 8.2: private schemes begin with 99)."""
MANUFACTURER = "PneumoScore developers"
PRODUCT = "PneumoScore"


def own_uid(*parts: str) -> str:
    """Return the UID that belongs to `parts`: the same parts, the same UID.

    Under the root of UUIDs, 2.25 (PS3.5 B.2); 128 bits of a SHA-256.

    Examples
    --------
    >>> own_uid("a", "b") == own_uid("a", "b") != own_uid("ab")
    True
    """
    digest = hashlib.sha256("\0".join(("pneumoscore", *parts)).encode("utf-8")).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def is_uid(text: str) -> bool:
    """Return whether `text` is a UID (PS3.5 9.1); leading zeros of a component are let pass.

    Scanners write them, and an archive keeps them as they are.

    Examples
    --------
    >>> is_uid("1.2.840.10008.1.1"), is_uid("../etc"), is_uid("")
    (True, False, False)
    """
    return len(text) <= 64 and re.fullmatch(r"\d+(\.\d+)+", text, re.ASCII) is not None


CODING_SCHEME_UID = own_uid("coding scheme")
DEVICE_UID = own_uid("device")
IMPLEMENTATION_UID = own_uid("implementation")


@cache
def software_version() -> str:
    """Return the version of this program."""
    from importlib.metadata import version

    return version("pneumoscore")
