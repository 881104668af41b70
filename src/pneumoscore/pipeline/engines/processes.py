"""Films read in processes: a crash, a hang or the noise of a decoder costs one file."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pneumoscore.errors import FailureReason, PneumoScoreError
from pneumoscore.pipeline.engines import default_workers
from pneumoscore.pipeline.engines.batches import scored_in_batches
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader, KnownContent, ReadFilm
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

__all__ = [
    "LENGTH",
    "QUESTION",
    "Processes",
    "ReaderPool",
    "WorkerError",
    "WorkerPool",
    "receive",
    "send",
]

LENGTH = struct.Struct("<Q")
"""Bytes of the message that follows."""

QUESTION = b"?"
"""First byte of a message that wants an answer; a pickle begins with another."""

_WORKER = "pneumoscore.pipeline.engines.reader_process"


@dataclass(frozen=True, slots=True)
class Processes:
    """Reads films in processes of their own, each led by a thread of this one.

    A process that dies or takes too long over a file is replaced; the file's result says so.

    Attributes
    ----------
    workers : int
        Processes; by default one for each core, at most 4.
    lanes : int
        Batches that go through the network side by side.
    """

    workers: int = 0
    lanes: int = 1

    def results(
        self,
        files: Iterable[Found],
        model: SeverityModel,
        options: ScoringOptions,
        report: RunReport,
        known: KnownContent | None = None,
    ) -> Iterator[FileResult]:
        """Yield what becomes of each file (see `Engine`)."""
        threads = self.workers or default_workers()
        pool = ReaderPool(FilmReader.of(model, options), options.seconds)
        try:
            yield from scored_in_batches(
                files, pool, model, options, report, known, threads, self.lanes
            )
        finally:
            pool.end()


class WorkerError(PneumoScoreError):
    """A process that crashed or took too long over one message.

    Parameters
    ----------
    why : FailureReason
        ``CRASHED`` or ``TIMEOUT``.
    found, expected, remedy : str
        As in `PneumoScoreError`.
    """

    def __init__(self, why: FailureReason, found: str, expected: str, remedy: str = "") -> None:
        self.why = why
        super().__init__(found, expected, remedy)


class WorkerPool:
    """Processes that do one thing with one message after the other.

    They are taken and given back; there are as many as threads ask at once.

    Parameters
    ----------
    work : callable
        What they do, picklable; each process gets it once.
    seconds : float
        How long one message may take.
    """

    def __init__(self, work: Callable[[Any], Any], seconds: float) -> None:
        self._setup = pickle.dumps(work)
        self.seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[_Process] = []

    def ask(self, message: Any, answer: Callable[[Any], Any] | None = None) -> Any:
        """Return what the work makes of a message.

        Parameters
        ----------
        message : object
            Picklable.
        answer : callable, optional
            Answers what the work asks meanwhile. The work is then called with the message and a
            callable that asks, else with the message alone. It counts as the work's time.

        Raises
        ------
        WorkerError
            If the process crashed or took too long; the next message has another.
        """
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = _Process(self._setup)
        try:
            reply = process.ask(message, self.seconds, answer)
        except BaseException:
            process.end()
            raise
        if reply is not None:
            with self._lock:
                self._idle.append(process)
            return pickle.loads(reply)
        timed_out = process.timed_out
        process.end()
        if timed_out:
            raise WorkerError(
                FailureReason.TIMEOUT,
                f"reading took over {self.seconds:g} seconds and was given up",
                "an intact file",
            )
        raise WorkerError(
            FailureReason.CRASHED,
            "its decoder crashed",
            "an intact file",
            "export or copy it again",
        )

    def end(self) -> None:
        """End all processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()


class ReaderPool:
    """Reading processes. Call it with a path or bytes; it never raises for a file's sake.

    A file whose process dies is given to another one once: it may have been killed from outside.

    Parameters
    ----------
    reader : FilmReader
        What they read by.
    seconds : float
        How long one file may take.
    """

    def __init__(self, reader: FilmReader, seconds: float) -> None:
        self._pool = WorkerPool(reader, seconds)
        self._asks = reader.options.content

    def __call__(self, source: Path | bytes, known: KnownContent | None = None) -> ReadFilm:
        """Return what a process read, or why it could not (see `FilmReader`)."""
        film = self._read(source, known)
        return self._read(source, known) if film.reason is FailureReason.CRASHED else film

    def _read(self, source: Path | bytes, known: KnownContent | None) -> ReadFilm:
        contents: list[str] = []
        errors: list[Exception] = []

        def answer(content: str) -> bool:
            # Kept for the case that the process does not live to tell it.
            contents.append(content)
            try:
                return known is not None and known(content)
            except Exception as error:
                # No fault of the process, which goes on with the next film.
                errors.append(error)
                return True

        asked = self._asks or known is not None
        try:
            film: ReadFilm = self._pool.ask(source, answer if asked else None)
        except WorkerError as error:
            spent = self._pool.seconds if error.why is FailureReason.TIMEOUT else 0.0
            content = contents[0] if contents else None
            return ReadFilm(error=str(error), reason=error.why, seconds=spent, content=content)
        if errors:
            raise errors[0]
        return film

    def end(self) -> None:
        """End all processes."""
        self._pool.end()


class _Process:
    """One process that answers one message after the other."""

    def __init__(self, setup: bytes) -> None:
        # It finds the package where this process did, whatever its own folder holds.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._setup: bytes | None = setup
        self.timed_out = False

    def ask(
        self, message: Any, seconds: float, answer: Callable[[Any], Any] | None
    ) -> bytes | None:
        """Return the reply; None if the process died, or was ended for taking too long."""
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            if self._setup is not None:
                send(requests, self._setup)
                self._setup = None
                # It answers once it has started, which is no film's time.
                receive(replies)
            watch = threading.Timer(seconds, self._give_up)
            watch.daemon = True
            watch.start()
            try:
                send(requests, pickle.dumps((message, answer is not None)))
                reply = receive(replies)
                while reply is not None and reply.startswith(QUESTION):
                    assert answer is not None
                    question = pickle.loads(memoryview(reply)[len(QUESTION) :])
                    send(requests, pickle.dumps(answer(question)))
                    reply = receive(replies)
            finally:
                watch.cancel()
        except OSError:
            return None
        return None if self.timed_out else reply

    def _give_up(self) -> None:
        self.timed_out = True
        self._process.kill()

    def end(self) -> None:
        """End the process and wait for it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def send(stream: IO[bytes], message: bytes) -> None:
    """Write one message, its length first."""
    stream.write(LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) != LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    message = stream.read(length)
    return message if len(message) == length else None
