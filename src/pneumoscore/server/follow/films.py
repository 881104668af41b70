"""A recorded film's pixels for the viewer, where they are still to be had."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from pneumoscore.files import sha256_of
from pneumoscore.records.lookup import RecordedFilm
from pneumoscore.records.site_schema import uploads
from pneumoscore.server.films.recorded import recorded_number
from pneumoscore.server.films.uploads import UploadState
from pneumoscore.server.site import Site

__all__ = ["film_views"]


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
    uploaded = _upload(site, film.file_sha256)
    if uploaded is not None:
        return uploaded
    number = recorded_number(film.file_sha256)
    out = site.films.derived(number)
    if (out / "screen").is_file():
        return out
    path = None if film.file is None else Path(film.file)
    if path is None or not path.is_file() or sha256_of(path) != film.file_sha256:
        return None
    site.queue.score(path, out)
    return out if (out / "screen").is_file() else None


def _upload(site: Site, sha256: str) -> Path | None:
    statement = select(uploads.c.id).where(
        uploads.c.sha256 == sha256, uploads.c.state != UploadState.WAITING.value
    )
    with site.records.reading() as connection:
        numbers: list[str] = list(connection.execute(statement.limit(5)).scalars())
    folders = (site.films.derived(number) for number in numbers)
    return next((folder for folder in folders if (folder / "screen").is_file()), None)
