"""Views of films that the records name: made when somebody looks, gone an hour later."""

from __future__ import annotations

import hashlib
import shutil
import time

from pneumoscore.server.film_store import FilmStore

__all__ = ["drop_old_views", "recorded_number"]

_SECONDS = 3600.0


def recorded_number(sha256: str) -> str:
    """Return what the store calls the views of a file with this hash."""
    return hashlib.sha256(f"recorded {sha256}".encode()).hexdigest()


def drop_old_views(store: FilmStore, seconds: float = _SECONDS) -> int:
    """Delete views that were made longer ago than this; returns how many."""
    count = 0
    # Identifiers of uploads have half as many digits.
    for folder in store.folder.glob(f"*/{'?' * 64}.d"):
        if time.time() - folder.stat().st_mtime > seconds:
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count
