"""Views of films that the records name: made when somebody looks, gone an hour later."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pneumoscore.server.film_store import FilmStore

__all__ = ["drop_old_views", "make_views", "recorded_number"]

_SECONDS = 3600.0
_BEGUN = ".new"


def recorded_number(sha256: str) -> str:
    """Return what the store calls the views of a file with this hash."""
    return hashlib.sha256(f"recorded {sha256}".encode()).hexdigest()


def make_views(
    store: FilmStore, number: str, work: Callable[[Path], dict[str, Any]]
) -> Path | None:
    """Make views beside their place, which they take whole.

    Parameters
    ----------
    store : FilmStore
        Where.
    number : str
        By `recorded_number`; nobody else makes its views meanwhile.
    work : callable
        Does `pneumoscore.server.films.work.film_work` into the folder that it is given.

    Returns
    -------
    Path or None
        Their folder; None if the film could not be read.
    """
    out = store.derived(number)
    begun = out.with_suffix(_BEGUN)
    # What a killed server left.
    shutil.rmtree(begun, ignore_errors=True)
    try:
        if "pixels_sha256" not in work(begun):
            return None
        shutil.rmtree(out, ignore_errors=True)
        begun.rename(out)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
    return out


def drop_old_views(store: FilmStore, seconds: float = _SECONDS) -> int:
    """Delete views that were made longer ago than this; returns how many."""
    count = 0
    # Identifiers of uploads have half as many digits.
    begun = store.folder.glob(f"*/{'?' * 64}{_BEGUN}")
    for folder in (*store.folder.glob(f"*/{'?' * 64}.d"), *begun):
        if time.time() - folder.stat().st_mtime > seconds:
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count
