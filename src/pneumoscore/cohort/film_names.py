"""Names of films in the public collections."""

from __future__ import annotations

from pathlib import PurePosixPath

__all__ = ["film_stem"]


def film_stem(name: str) -> str:
    """Return a file's name without folder and image extension, in lower case.

    Examples
    --------
    >>> film_stem("cohen_other/000001-12.JPG")
    '000001-12'
    """
    path = PurePosixPath(name)
    stem = path.stem if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"} else path.name
    return stem.lower()
