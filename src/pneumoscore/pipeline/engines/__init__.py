"""Engines: where films are read and scored. One interface, `Engine`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import KnownContent
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

__all__ = ["Engine", "default_workers"]


class Engine(Protocol):
    """Turns files into results.

    How to add one: write a class with this method in a module beside the others, and let
    `pneumoscore.pipeline.job.choose_engine` or a command make it. It yields one result for
    each file, in order, and never raises for a file's sake.
    """

    def results(
        self,
        files: Iterable[Found],
        model: SeverityModel,
        options: ScoringOptions,
        report: RunReport,
        known: KnownContent | None = None,
    ) -> Iterator[FileResult]:
        """Yield what becomes of each file.

        Parameters
        ----------
        files : iterable of Found
            Taken as they are needed, so that memory does not grow with their number.
        model : SeverityModel
            Opened.
        options : ScoringOptions
            How.
        report : RunReport
            Takes the time of the stage ``"network"``.
        known : callable, optional
            Files whose content it knows are not scored again; their result is `known`.
        """


def default_workers() -> int:
    """Return how many files are read at once unless the user says: one a core, at most 4."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min(4, cores)
