"""What stands for an erased patient in the audit."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from pneumoscore.files import PRIVATE
from pneumoscore.settings import home_folder

__all__ = ["keyed_hash"]

_KEY_FILE = "erasure.key"


def keyed_hash(name: str, folder: Path | None = None) -> str:
    """Return what stands for an erased patient in the audit.

    Only who has the key, a file beside the records' settings that only its owner can read, can
    say whether it is a given patient's.

    Parameters
    ----------
    name : str
        As `patient_name` writes it.
    folder : Path, optional
        Where the key is; by default the folder of the user's program data.
    """
    file = (folder or home_folder()) / _KEY_FILE
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    return hmac.new(file.read_bytes(), name.encode("utf-8"), hashlib.sha256).hexdigest()
