"""What is done with a film in processes of their own: reading it, and making its objects.

A damaged film costs its own process at most, and neither keeps the network waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pacs.objects.build import FilmObject, ObjectOptions, film_objects
from pneumoscore.pacs.objects.header import FilmHeader
from pneumoscore.pacs.objects.result import FilmReport
from pneumoscore.pipeline.engines.processes import WorkerError, WorkerPool
from pneumoscore.pipeline.reading import FilmReader, ReadFilm
from pneumoscore.radiograph.dicom import stored_digest

__all__ = ["FilmPool", "FilmWork", "ReceivedFilm", "Result"]


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedFilm:
    """A film that was read.

    Attributes
    ----------
    read : ReadFilm
        What was read, or why it could not be.
    picture : str
        SHA-256 of all its stored values; empty where it could not be read.
    """

    read: ReadFilm
    picture: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What objects are made of (see `pneumoscore.pacs.objects.build.film_objects`).

    Attributes
    ----------
    header : FilmHeader
        Of the film.
    report : FilmReport
        What is said of it.
    view : ndarray of uint8, shape (rows, columns), or None
        What the capture shows.
    options : ObjectOptions
        Which objects.
    """

    header: FilmHeader
    report: FilmReport
    view: NDArray[np.uint8] | None
    options: ObjectOptions


@dataclass(frozen=True, slots=True, eq=False)
class FilmWork:
    """Reads DICOM films for one model, with what tells each from every other; makes objects.

    A film is read no larger than scoring needs, which leaves out what a few pixels show; whether
    two films are the same is judged by every pixel.

    Attributes
    ----------
    reader : FilmReader
        What it reads by.
    """

    reader: FilmReader

    def __call__(self, message: Path | Result) -> ReceivedFilm | tuple[FilmObject, ...] | str:
        """Read a path's film, or make a result's objects; a text says why there are none."""
        if isinstance(message, Path):
            return self._received(message)
        try:
            return film_objects(message.header, message.report, message.view, message.options)
        except PneumoScoreError as error:
            return str(error)

    def _received(self, path: Path) -> ReceivedFilm:
        read = self.reader(path)
        if read.film is None:
            return ReceivedFilm(read)
        try:
            picture = stored_digest(path.read_bytes(), self.reader.options.read)
        except PneumoScoreError as error:
            return ReceivedFilm(ReadFilm(error=str(error)))
        return ReceivedFilm(read, picture)


class FilmPool:
    """Processes that do `FilmWork`.

    Parameters
    ----------
    reader : FilmReader
        What they read by.
    seconds : float
        How long one film may take.
    """

    def __init__(self, reader: FilmReader, seconds: float) -> None:
        self._pool = WorkerPool(FilmWork(reader), seconds)

    def read(self, path: Path) -> ReceivedFilm:
        """Return what a process read, or why it could not; never raises for a file's sake."""
        try:
            film: ReceivedFilm = self._pool.ask(path)
        except WorkerError as error:
            return ReceivedFilm(ReadFilm(error=str(error), reason=error.why))
        return film

    def objects(self, result: Result) -> tuple[FilmObject, ...]:
        """Return the objects that a process made.

        Raises
        ------
        WorkerError
            If it ended or took too long; another attempt may go otherwise.
        PneumoScoreError
            If they cannot be made of this film.
        """
        made: Any = self._pool.ask(result)
        if isinstance(made, str):
            raise PneumoScoreError(made)
        objects: tuple[FilmObject, ...] = made
        return objects

    def end(self) -> None:
        """End all processes."""
        self._pool.end()
