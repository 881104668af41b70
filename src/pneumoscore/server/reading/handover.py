"""A locked study's films by code, with their labels: what one command refits the heads on."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from pneumoscore.marks import program_mark
from pneumoscore.server.film_store import FilmStore
from pneumoscore.server.reading.results import StudyResults
from pneumoscore.server.reading.study import StudyFilm

__all__ = ["write_handover"]


def write_handover(
    store: FilmStore, films: tuple[StudyFilm, ...], results: StudyResults, target: Path
) -> int:
    """Write a ZIP file with ``labels.csv`` and ``films/CODE.png``; returns how many films.

    The pictures have 16 bits and hold pixels alone: no header, no file name, no identifier.

    Parameters
    ----------
    store : FilmStore
        With what was made of the study's films.
    films : tuple of StudyFilm
        Of the study; examples are left out.
    results : StudyResults
        Of the locked study.
    target : Path
        The file to write.
    """
    count = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = program_mark("reader study").encode("ascii")
        archive.writestr("labels.csv", results.labels_csv())
        for film in films:
            view = store.derived(film.id) / "full"
            if film.example or not view.is_file():
                continue
            archive.writestr(f"films/{film.code}.png", _png(view.read_bytes()))
            count += 1
    return count


def _png(view: bytes) -> bytes:
    """Return a viewer's film (`pneumoscore.server.films.work.view_bytes`) as a PNG of 16 bits."""
    from PIL import Image

    rows, columns = (int(side) for side in np.frombuffer(view[:8], "<u4"))
    levels = np.frombuffer(view, "<u2", offset=8).reshape(rows, columns)
    stream = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
