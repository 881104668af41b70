"""One job: films in, results to sinks, a report out. Every use is this with another engine."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pneumoscore.pipeline.engines import Engine
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import KnownContent
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks import Sink
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

__all__ = ["choose_engine", "run_job", "score_files"]

_FEW = 8
"""Fewer films than this are read in threads: starting processes would take longer."""


def choose_engine(
    files: Iterable[Found], workers: int | None = None
) -> tuple[Engine, Iterator[Found]]:
    """Choose where films are read, by their number, without taking more than a few.

    Parameters
    ----------
    files : iterable of Found
        The films.
    workers : int, optional
        How many are read at once.

    Returns
    -------
    Engine
        One film in this process, a few in threads, more in processes.
    iterator of Found
        The same films; use it in place of `files`.
    """
    given = iter(files)
    first = list(itertools.islice(given, _FEW))
    every = itertools.chain(first, given)
    if len(first) < _FEW:
        from pneumoscore.pipeline.engines.threads import InProcess, Threads

        return (InProcess() if len(first) < 2 else Threads(workers or 0)), every
    from pneumoscore.pipeline.engines.processes import Processes

    return Processes(workers or 0), every


def run_job(
    files: Iterable[Found],
    model: SeverityModel,
    options: ScoringOptions,
    sinks: Sequence[Sink],
    *,
    engine: Engine | None = None,
    workers: int | None = None,
    known: KnownContent | None = None,
    skipped: Counter[str] | None = None,
    watch: Callable[[FileResult, RunReport], None] | None = None,
) -> RunReport:
    """Score films and hand every result to every sink, in order.

    Parameters
    ----------
    files : iterable of Found
        Films, for example from `pneumoscore.pipeline.walk.expand`; taken as needed.
    model : SeverityModel
        Opened.
    options : ScoringOptions
        How.
    sinks : sequence of Sink
        Those that write a file for a film first.
    engine : Engine, optional
        Where; by default `choose_engine` chooses.
    workers : int, optional
        How many films are read at once.
    known : callable, optional
        Whether the score of a content is kept already (`KnownContent`).
    skipped : Counter, optional
        What the walk passes over; goes into the report.
    watch : callable, optional
        Called after each film with its result and the report so far.

    Returns
    -------
    RunReport
        Of the whole run; the sinks are finished.

    Raises
    ------
    PneumoScoreError, OSError
        If the options, the model or a sink is at fault; never for a film. The sinks then leave
        nothing half written.
    """
    run = Run.of(model, options)
    report = RunReport(run)
    if skipped is not None:
        report.skipped = skipped
    opened: list[Sink] = []
    try:
        for sink in sinks:
            sink.open(run)
            opened.append(sink)
        with report.timed("wall"):
            if engine is None:
                engine, files = choose_engine(files, workers)
            for result in engine.results(files, model, options, report, known):
                report.count(result)
                if result.passed_over is None:
                    with report.timed("outputs"):
                        for sink in sinks:
                            sink.add(result)
                if watch is not None:
                    watch(result, report)
        while opened:
            opened.pop(0).finish(report)
    except BaseException:
        for sink in opened:
            sink.abandon()
        raise
    return report


def score_files(
    files: Iterable[Found | str | os.PathLike[str]],
    model: SeverityModel,
    options: ScoringOptions | None = None,
    *,
    engine: Engine | None = None,
    workers: int | None = None,
) -> Iterator[FileResult]:
    """Score files in order; one that cannot be scored never stops the rest.

    Parameters
    ----------
    files : iterable of Found, str or path
        Taken as needed.
    model : SeverityModel
        Opened.
    options : ScoringOptions, optional
        How.
    engine : Engine, optional
        Where; by default `choose_engine` chooses.
    workers : int, optional
        How many files are read at once.

    Yields
    ------
    FileResult
        One for each file, in order.

    Raises
    ------
    PneumoScoreError
        If the options or the model is at fault; never for a file.
    """
    options = options or ScoringOptions()
    report = RunReport(Run.of(model, options))
    found: Iterable[Found] = (
        item if isinstance(item, Found) else Found(Path(item)) for item in files
    )
    if engine is None:
        engine, found = choose_engine(found, workers)
    return engine.results(found, model, options, report)
