"""Films done in processes of their own: a crash, a hang or a bomb costs one film."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscore.errors import FailureReason, PneumoScoreError
from pneumoscore.pipeline.engines.processes import WorkerError, WorkerPool
from pneumoscore.server.films.downloads import DownloadOrder
from pneumoscore.server.films.expand import Bounds, Expanded, Member

if TYPE_CHECKING:
    from pneumoscore.severity.model import SeverityModel

__all__ = ["MakeDownload", "ProcessWorker", "ScoreFilm", "TakeOut"]

_NICE = 5
"""Pages come before films where both want the processor."""
_OpenModel = Callable[[], "SeverityModel"]


@dataclass(frozen=True, slots=True)
class ScoreFilm:
    """Does `pneumoscore.server.films.work.film_work`.

    Attributes
    ----------
    film, out : Path
        The file, and the folder for what is made of it.
    """

    film: Path
    out: Path

    def __call__(self, model: _OpenModel) -> dict[str, Any]:
        """Return what became of the film."""
        from pneumoscore.server.films.work import film_work

        return film_work(model(), self.film, self.out)


@dataclass(frozen=True, slots=True)
class TakeOut:
    """Does `pneumoscore.server.films.expand.expand_archive`.

    Attributes
    ----------
    archive, out : Path
        The ZIP file, and the folder for its films.
    bounds : Bounds
        What it may hold.
    """

    archive: Path
    out: Path
    bounds: Bounds

    def __call__(self, model: _OpenModel) -> Expanded:
        """Return what came out."""
        from pneumoscore.server.films.expand import expand_archive

        return expand_archive(self.archive, self.out, self.bounds)


@dataclass(frozen=True, slots=True)
class MakeDownload:
    """Does `pneumoscore.server.films.downloads.make_download`.

    Attributes
    ----------
    order : DownloadOrder
        The file to make.
    """

    order: DownloadOrder

    def __call__(self, model: _OpenModel) -> str | None:
        """Return why the file could not be made; None if it was."""
        from pneumoscore.server.films.downloads import make_download

        try:
            make_download(model(), self.order)
        except PneumoScoreError as error:
            return str(error)
        return None


class _Doer:
    """What a process does: the task that it is sent, with a model that is opened once.

    Parameters
    ----------
    model : str or None
        Severity model.
    """

    def __init__(self, model: str | None) -> None:
        self._name = model
        self._model: SeverityModel | None = None
        self._begun = False

    def __call__(self, task: Callable[[_OpenModel], Any]) -> Any:
        """Do a task."""
        if not self._begun:
            self._begun = True
            os.nice(_NICE)
        return task(self._opened)

    def _opened(self) -> SeverityModel:
        from pneumoscore.severity.model import SeverityModel

        if self._model is None:
            self._model = SeverityModel.open(self._name, threads=1)
        return self._model


class ProcessWorker:
    """Does films in processes (`pneumoscore.server.films.queue.FilmWorker`).

    Parameters
    ----------
    model : str or None
        Severity model.
    seconds : float
        How long one film may take.
    """

    def __init__(self, model: str | None, seconds: float) -> None:
        self._pool = WorkerPool(_Doer(model), seconds)

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        """Return what became of a film."""
        try:
            result: dict[str, Any] = self._pool.ask(ScoreFilm(film, out))
        except WorkerError as error:
            return {"error": str(error), "reason": error.why.value}
        return result

    def take_out(self, archive: Path, out: Path, bounds: Bounds) -> Expanded:
        """Return the films of a ZIP file, each in a file of `out`."""
        try:
            expanded: Expanded = self._pool.ask(TakeOut(archive, out, bounds))
        except WorkerError:
            words = "a ZIP file that could not be unpacked in time; send it in parts"
            return Expanded((Member("", None, "", words, FailureReason.UNREADABLE),))
        return expanded

    def make(self, order: DownloadOrder) -> str | None:
        """Make a file of a film; return why it could not be made."""
        try:
            problem: str | None = self._pool.ask(MakeDownload(order))
        except WorkerError as error:
            return str(error)
        return problem

    def close(self) -> None:
        """End the processes."""
        self._pool.end()
