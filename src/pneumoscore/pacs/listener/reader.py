"""Films of the inbox, read and told from others exactly, in processes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.engines.processes import WorkerError, WorkerPool
from pneumoscore.pipeline.reading import FilmReader, ReadFilm
from pneumoscore.radiograph.dicom import stored_digest

__all__ = ["ExactReader", "FilmPool", "ReceivedFilm"]


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
class ExactReader:
    """Reads a DICOM film for one model, and what tells it from every other.

    A film is read no larger than scoring needs, which leaves out what a few pixels show; whether
    two films are the same is judged by every pixel.

    Attributes
    ----------
    reader : FilmReader
        What it reads by.
    """

    reader: FilmReader

    def __call__(self, source: Path) -> ReceivedFilm:
        """Read one file; never raises for the file's sake."""
        read = self.reader(source)
        if read.film is None:
            return ReceivedFilm(read)
        try:
            picture = stored_digest(source.read_bytes(), self.reader.options.read)
        except PneumoScoreError as error:
            return ReceivedFilm(ReadFilm(error=str(error)))
        return ReceivedFilm(read, picture)


class FilmPool:
    """Reading processes. Call it with a path; it never raises for a file's sake.

    Parameters
    ----------
    reader : FilmReader
        What they read by.
    seconds : float
        How long one file may take.
    """

    def __init__(self, reader: FilmReader, seconds: float) -> None:
        self._pool = WorkerPool(ExactReader(reader), seconds)

    def __call__(self, source: Path) -> ReceivedFilm:
        """Return what a process read, or why it could not."""
        try:
            film: ReceivedFilm = self._pool.ask(source)
        except WorkerError as error:
            return ReceivedFilm(ReadFilm(error=str(error), reason=error.why))
        return film

    def end(self) -> None:
        """End all processes."""
        self._pool.end()
