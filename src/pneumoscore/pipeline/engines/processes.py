"""Films read in processes: a crash, a hang or the noise of a decoder costs one file."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pneumoscore.errors import FailureReason
from pneumoscore.pipeline.engines import KnownContent, default_workers
from pneumoscore.pipeline.engines.batches import scored_in_batches
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader, ReadFilm
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import RunReport
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel

__all__ = ["LENGTH", "Processes", "ReaderPool", "receive", "send"]

LENGTH = struct.Struct("<Q")
"""Bytes of the message that follows."""

_WORKER = "pneumoscore.pipeline.engines.reader_process"


@dataclass(frozen=True, slots=True)
class Processes:
    """Reads films in processes of their own, each led by a thread of this one.

    A process that dies or takes too long over a file is replaced; the file's result says so.

    Attributes
    ----------
    workers : int
        Processes; by default one for each core, at most 4.
    """

    workers: int = 0

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
            yield from scored_in_batches(files, pool, model, options, report, known, threads)
        finally:
            pool.end()


class ReaderPool:
    """Reading processes, taken and given back; as many as threads ask at once.

    Call it with a path or bytes; it returns what was read, or why the process could not.

    Parameters
    ----------
    reader : FilmReader
        What they read by.
    seconds : float
        How long one file may take.
    """

    def __init__(self, reader: FilmReader, seconds: float) -> None:
        self._setup = pickle.dumps(reader)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[_Process] = []

    def __call__(self, source: Path | bytes) -> ReadFilm:
        """Return what a process read, or why it could not."""
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = _Process(self._setup)
        try:
            film = process.ask(source, self._seconds)
        except BaseException:
            process.end()
            raise
        if film is not None:
            with self._lock:
                self._idle.append(process)
            return film
        timed_out = process.timed_out
        process.end()
        if timed_out:
            return ReadFilm(
                error=f"reading took over {self._seconds:g} seconds and was given up; expected "
                "an intact file",
                reason=FailureReason.TIMEOUT,
                seconds=self._seconds,
            )
        return ReadFilm(
            error="its decoder crashed; expected an intact file; export or copy it again",
            reason=FailureReason.CRASHED,
        )

    def end(self) -> None:
        """End all processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()


class _Process:
    """One process that reads one file after the other."""

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

    def ask(self, source: Path | bytes, seconds: float) -> ReadFilm | None:
        """Return what was read; None if the process died, or was ended for taking too long."""
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
                send(requests, pickle.dumps(source))
                reply = receive(replies)
            finally:
                watch.cancel()
        except OSError:
            return None
        if reply is None or self.timed_out:
            return None
        film: ReadFilm = pickle.loads(reply)
        return film

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
