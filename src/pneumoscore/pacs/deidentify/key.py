"""The site's key: who has it can tell which pseudonym belongs to which patient."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from pneumoscore.errors import OutputError, PneumoScoreError

__all__ = ["Key", "make_key", "read_key"]

_BYTES = 32
_MOST_DAYS = 3650


class Key:
    """Pseudonyms that follow from a secret: the same value, the same pseudonym.

    Parameters
    ----------
    secret : bytes
        At least 32 bytes.

    Raises
    ------
    ValueError
        If it is shorter.

    Examples
    --------
    >>> key = Key(bytes(32))
    >>> key.uid("1.2.3") == key.uid("1.2.3") != Key(b"1" * 32).uid("1.2.3")
    True
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _BYTES:
            raise ValueError(f"a secret of {len(secret)} bytes; expected at least {_BYTES}")
        self._secret = secret

    def _digest(self, purpose: str, value: str) -> bytes:
        text = f"{purpose}\0{value}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).digest()

    def uid(self, old: str) -> str:
        """Return the UID that stands for `old`."""
        return f"2.25.{int.from_bytes(self._digest('uid', old)[:16], 'big')}"

    def name(self, purpose: str, old: str) -> str:
        """Return 16 hexadecimal letters that stand for `old`."""
        return self._digest(purpose, old).hex()[:16].upper()

    def days(self, patient: str) -> int:
        """Return how many days, 1 to 3650, a patient's dates go back."""
        return 1 + int.from_bytes(self._digest("shift", patient)[:4], "big") % _MOST_DAYS


def make_key(path: Path) -> None:
    """Write a new random key that only its owner can read.

    Raises
    ------
    OutputError
        If there is a file already: a key that is lost cannot be made again.
    OSError
        If it cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise OutputError(f"{path} exists", "a new name for a new key") from error
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(secrets.token_hex(_BYTES) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_key(path: Path) -> Key:
    """Return the key in a file.

    Raises
    ------
    PneumoScoreError
        If it is no key, or others than its owner may read it.
    OSError
        If it cannot be read.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise PneumoScoreError(
            f"{path} has mode {mode:04o}",
            "a key that its owner alone can read",
            f"run: chmod 600 {path}",
        )
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        return Key(secret)
    except ValueError as error:
        raise PneumoScoreError(
            f"{path} holds no key",
            f"{_BYTES} bytes in hexadecimal letters",
            "make one: pneumoscore pacs key FILE",
        ) from error
