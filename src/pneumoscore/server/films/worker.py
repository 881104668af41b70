"""Films done in processes of their own: a crash, a hang or a bomb costs one film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pneumoscore.pipeline.engines.processes import WorkerError, WorkerPool

if TYPE_CHECKING:
    from pneumoscore.severity.model import SeverityModel

__all__ = ["FilmDoer", "ProcessWorker"]


class FilmDoer:
    """What a process does with one film; sent to it once, and opens the model there.

    Parameters
    ----------
    model : str or None
        Severity model.
    """

    def __init__(self, model: str | None) -> None:
        self._name = model
        self._model: SeverityModel | None = None

    def __call__(self, message: tuple[Path, Path]) -> dict[str, Any]:
        """Do `film_work` with (film, folder for what is made of it)."""
        from pneumoscore.server.films.work import film_work
        from pneumoscore.severity.model import SeverityModel

        if self._model is None:
            self._model = SeverityModel.open(self._name, threads=1)
        return film_work(self._model, *message)


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
        self._pool = WorkerPool(FilmDoer(model), seconds)

    def work(self, film: Path, out: Path) -> dict[str, Any]:
        """Return what became of a film."""
        try:
            result: dict[str, Any] = self._pool.ask((film, out))
        except WorkerError as error:
            return {"error": str(error), "reason": error.why.value}
        return result

    def close(self) -> None:
        """End the processes."""
        self._pool.end()
