"""Sinks: where results go. One interface, `Sink`: open, add, finish."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport

__all__ = ["Sink"]


class Sink(ABC):
    """Takes the results of one run.

    How to add one: derive from it in a module of its own, and hand an instance to
    `pneumoscore.pipeline.job.run_job`. Only `add` must be written. A sink raises what is at
    fault with itself (a full disk, a file it must not replace); a film's failure is no error
    but a result.
    """

    def open(self, run: Run) -> None:  # noqa: B027 - nothing to open is common
        """Prepare before the first film; raise now what would fail after hours of work.

        Raises
        ------
        OutputError, OSError
            If the output cannot or must not be written.
        """

    @abstractmethod
    def add(self, result: FileResult) -> None:
        """Take one result, scored, failed or known; called in the order of the films.

        A sink that writes a file for a film names it in ``result.outputs``.
        """

    def finish(self, report: RunReport) -> None:  # noqa: B027
        """Make the output complete; called once, after the last film."""

    def abandon(self) -> None:  # noqa: B027
        """Leave nothing half written; called in place of `finish` when the run breaks off."""
