"""Films read and scored on a Ray cluster: actors hold the model, parts of the films go to them.

Paths go in and small results come out; pixels never travel. A worker that dies is started
again by Ray and its films are done again; results reach the sinks once, in order. Decoders
run in processes of the workers' own, so that a film that kills its decoder costs itself.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.files import sha256_of
from pneumoscore.pipeline.engines import default_workers
from pneumoscore.pipeline.engines.batches import scored_in_batches
from pneumoscore.pipeline.engines.processes import ReaderPool
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader, KnownContent
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.settings import require_extra
from pneumoscore.severity.model import SeverityModel

__all__ = ["RayEngine"]


@dataclass(frozen=True, slots=True)
class RayEngine:
    """Scores films on a Ray cluster.

    Attributes
    ----------
    model : str or None
        Name of the model, or its folder, as every worker finds it.
    address : str or None
        Of the cluster; None takes what ``RAY_ADDRESS`` names, or starts one on this machine.
    workers : int
        Actors, one CPU each; by default one for each core of this machine, at most 4.
    films : int
        Films that go to an actor at once.
    """

    model: str | None = None
    address: str | None = None
    workers: int = 0
    films: int = 64

    def results(
        self,
        files: Iterable[Found],
        model: SeverityModel,
        options: ScoringOptions,
        report: RunReport,
        known: KnownContent | None = None,
    ) -> Iterator[FileResult]:
        """Yield what becomes of each file (see `Engine`)."""
        ray = _connected(self.address)
        count = self.workers or default_workers()
        actors = _actors(ray, count, self.model, options)
        try:
            for identity in ray.get([actor.identity.remote() for actor in actors]):
                if identity != model.identity.sha256:
                    raise ModelError(
                        f"a worker has another model ({identity[:12]})",
                        f"the model {model.identity.sha256[:12]} on every node",
                        "install the same version everywhere",
                    )
            parts = _parts(files, self.films)
            yield from _in_order(ray, actors, parts, report, known)
        finally:
            for actor in actors:
                ray.kill(actor)


def _connected(address: str | None) -> Any:
    """Return Ray, connected, its usage statistics off."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    require_extra("ray", "ray")
    import ray

    if not ray.is_initialized():
        where = address or os.environ.get("RAY_ADDRESS")
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if where:
            settings["address"] = where
        else:
            settings |= {"include_dashboard": False, "object_store_memory": 128 * 2**20}
        try:
            ray.init(**settings)
        except (ConnectionError, RuntimeError) as error:
            raise PneumoScoreError(
                f"no Ray cluster at {where or 'this machine'} ({type(error).__name__})",
                "a running one",
                "start it, or leave --address out",
            ) from error
    return ray


def _actors(ray: Any, count: int, model: str | None, options: ScoringOptions) -> list[Any]:
    remote = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=-1)(_Scorer)
    return [remote.remote(model, options) for _ in range(count)]


class _Scorer:
    """What runs on a worker: one opened model, one reading process."""

    def __init__(self, model: str | None, options: ScoringOptions) -> None:
        self._model = SeverityModel.open(model, threads=1)
        self._options = options
        self._pool = ReaderPool(FilmReader.of(self._model, options), options.seconds)

    def identity(self) -> str:
        """Return the hash of the model at hand."""
        return self._model.identity.sha256

    def contents(self, part: list[Found]) -> list[str | None]:
        """Return the hash of each file's bytes; None where it cannot be read."""
        return [self._content(found) for found in part]

    def score(self, part: list[Found]) -> tuple[list[FileResult], float]:
        """Return the results of a part, and the seconds of the network."""
        report = RunReport(Run.of(self._model, self._options))
        results = list(
            scored_in_batches(part, self._pool, self._model, self._options, report, None, 1)
        )
        return results, report.stages.get("network", 0.0)

    def _content(self, found: Found) -> str | None:
        import hashlib

        try:
            data = found.data(self._options.read.max_file_bytes)
            if data is not None:
                return hashlib.sha256(data).hexdigest()
            return sha256_of(found.path) if found.path.is_file() else None
        except (PneumoScoreError, OSError):
            return None  # the reader says why


def _parts(files: Iterable[Found], size: int) -> Iterator[list[Found]]:
    given = iter(files)
    while part := list(itertools.islice(given, size)):
        yield part


def _in_order(
    ray: Any,
    actors: list[Any],
    parts: Iterator[list[Found]],
    report: RunReport,
    known: KnownContent | None,
) -> Iterator[FileResult]:
    """Yield results in order; at most two parts an actor are under way."""

    def done(number: int, part: list[Found]) -> list[FileResult]:
        actor = actors[number % len(actors)]
        finished: dict[int, FileResult] = {}
        if known is not None:
            for place, content in enumerate(ray.get(actor.contents.remote(part))):
                if content is not None and known(content):
                    found = part[place]
                    finished[place] = FileResult(
                        found.path, content=content, known=True, member=found.member
                    )
        todo = [place for place in range(len(part)) if place not in finished]
        if todo:
            results, seconds = ray.get(actor.score.remote([part[place] for place in todo]))
            report.add_time("network", seconds)
            finished |= dict(zip(todo, results, strict=True))
        return [finished[place] for place in range(len(part))]

    ahead: deque[Future[list[FileResult]]] = deque()
    numbers = itertools.count()
    with ThreadPoolExecutor(2 * len(actors), thread_name_prefix="pneumoscore-ray") as pool:
        try:
            more = True
            while more or ahead:
                while more and len(ahead) < 2 * len(actors):
                    part = next(parts, None)
                    if part is None:
                        more = False
                    else:
                        ahead.append(pool.submit(done, next(numbers), part))
                if ahead:
                    yield from ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
