"""A recorded film's pixels for the viewer, where they are still to be had."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio import to_thread
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from pneumoscore.files import sha256_of
from pneumoscore.records.lookup import RecordedFilm
from pneumoscore.records.site_schema import uploads
from pneumoscore.server.films.recorded import make_views, recorded_number
from pneumoscore.server.films.uploads import UploadState
from pneumoscore.server.site import Site

__all__ = ["FilmFile", "film_file", "film_views", "made_views"]


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
    read = _uploads(site, sha256, UploadState.DONE, UploadState.FAILED)
    kept = map(site.films.path, read)
    found = next((path for path in kept if path.is_file()), None)
    return FilmFile(found, changed and found is None)


def made_views(site: Site, sha256: str) -> Path | None:
    """Return the folder with views of these bytes: of an upload, or made before; None if none is.

    Parameters
    ----------
    site : Site
        The running server's parts.
    sha256 : str
        Of the film's file.
    """
    numbers = (*_uploads(site, sha256, UploadState.DONE), recorded_number(sha256))
    folders = map(site.films.derived, numbers)
    return next((folder for folder in folders if (folder / "screen").is_file()), None)


async def film_views(site: Site, film: RecordedFilm) -> Path | None:
    """Return the folder with a film's views, made here if need be; None if nothing is left of it.

    They are those of an upload of the same bytes, or of the file that the records name, as long
    as it is there and has the bytes that were scored. A film's views are made once, and whoever
    else asks for them meanwhile waits.

    Parameters
    ----------
    site : Site
        The running server's parts.
    film : RecordedFilm
        From the records.
    """
    if film.file_sha256 is None:
        return None
    made = await run_in_threadpool(made_views, site, film.file_sha256)
    if made is not None:
        return made
    async with site.turns.of(film.file_sha256):
        work = partial(_views, site, film.file, film.file_sha256)
        return await to_thread.run_sync(work, limiter=site.at_once)


def _views(site: Site, file: str | None, sha256: str) -> Path | None:
    made = made_views(site, sha256)
    if made is not None:
        return made
    path = film_file(site, file, sha256).path
    if path is None:
        return None
    return make_views(site.films, recorded_number(sha256), partial(site.queue.score, path))


def _uploads(site: Site, sha256: str, *states: UploadState) -> list[str]:
    """Return uploads of these bytes in one of these states."""
    statement = select(uploads.c.id).where(
        uploads.c.sha256 == sha256, uploads.c.state.in_([state.value for state in states])
    )
    with site.records.reading() as connection:
        return list(connection.execute(statement.limit(5)).scalars())
