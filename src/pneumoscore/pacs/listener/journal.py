"""What the listener says: one JSON object a line, without a word of the patient.

A film is called by 12 letters of the SHA-256 of its SOP Instance UID: enough to follow it
through the log, and to look for one whose UID is known.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import threading
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO

__all__ = ["Journal", "film_name", "silence_libraries"]

_LIBRARIES = ("pynetdicom", "pydicom", "highdicom", "dicomweb_client", "urllib3")


def film_name(sop_instance_uid: str) -> str:
    """Return how the journal calls a film."""
    return hashlib.sha256(sop_instance_uid.encode("utf-8", "replace")).hexdigest()[:12]


class Journal:
    """Writes events.

    Parameters
    ----------
    stream : file, optional
        Where to; by default the standard error stream.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._lock = threading.Lock()

    def say(self, event: str, **fields: str | int | float | bool | None) -> None:
        """Write one event; fields hold counts, states and reasons of ours, never text of a peer."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        text = json.dumps(line | fields)
        # A log that cannot be written (a full disk) costs lines, not films.
        with self._lock, suppress(OSError):
            self._stream.write(text + "\n")
            self._stream.flush()


def silence_libraries() -> None:
    """Keep other libraries' logs and warnings back: they quote values and identifiers.

    For a program's start; it changes the whole process.
    """
    from pynetdicom import _config

    warnings.simplefilter("ignore")
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
