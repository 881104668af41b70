"""A recorded film's pixels for the viewer, where they are still to be had."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from pneumoscore.files import sha256_of
from pneumoscore.records.lookup import RecordedFilm
from pneumoscore.records.site_schema import uploads
from pneumoscore.server.films.recorded import recorded_number
from pneumoscore.server.films.uploads import UploadState
from pneumoscore.server.site import Site

__all__ = ["FilmFile", "film_file", "film_views"]


@dataclass(frozen=True, slots=True)
class FilmFile:
    """Where the bytes of a recorded film are now.

    Attributes
    ----------
    path : Path or None
        A file with the bytes that were scored.
    changed : bool
        Whether the file that the records name is there, with other bytes.
    """

    path: Path | None
    changed: bool = False


def film_file(site: Site, file: str | None, sha256: str | None) -> FilmFile:
    """Return where a film's bytes are: the file that the records name, or an upload of the same.

    Parameters
    ----------
    site : Site
        The running server's parts.
    file, sha256 : str or None
        Of the film, from the records.
    """
    if sha256 is None:
        return FilmFile(None)
    changed = False
    path = None if file is None else Path(file)
    # A file that may not be read is none.
    with contextlib.suppress(OSError):
        if path is not None and path.is_file():
            if sha256_of(path) == sha256:
                return FilmFile(path)
            changed = True
    kept = (site.films.path(number) for number in _uploads(site, sha256))
    found = next((path for path in kept if path.is_file()), None)
    return FilmFile(found, changed and found is None)


def film_views(site: Site, film: RecordedFilm) -> Path | None:
    """Return the folder with a film's views, made here if need be; None if nothing is left of it.

    They are those of an upload of the same bytes, or of the file that the records name, as long
    as it is there and has the bytes that were scored.

    Parameters
    ----------
    site : Site
        The running server's parts.
    film : RecordedFilm
        From the records.
    """
    if film.file_sha256 is None:
        return None
    for upload in _uploads(site, film.file_sha256):
        if (site.films.derived(upload) / "screen").is_file():
            return site.films.derived(upload)
    number = recorded_number(film.file_sha256)
    out = site.films.derived(number)
    if (out / "screen").is_file():
        return out
    path = film_file(site, film.file, film.file_sha256).path
    if path is None:
        return None
    site.queue.score(path, out)
    return out if (out / "screen").is_file() else None


def _uploads(site: Site, sha256: str) -> list[str]:
    """Return uploads of these bytes that were read already."""
    statement = select(uploads.c.id).where(
        uploads.c.sha256 == sha256, uploads.c.state != UploadState.WAITING.value
    )
    with site.records.reading() as connection:
        return list(connection.execute(statement.limit(5)).scalars())
