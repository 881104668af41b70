"""GDCM in processes of its own: what it prints, and a crash of it, stay there."""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from pneumoscore.errors import ImageTooLargeError, UnreadableFileError
from pneumoscore.radiograph import gdcm_worker
from pneumoscore.radiograph.gdcm_worker import REPLY, REQUEST

__all__ = ["gdcm_decoded"]

_SECONDS = 60.0


class _Process:
    """One process that decodes one frame after the other."""

    def __init__(self) -> None:
        # The worker finds GDCM where this process would; its folder must not shadow `types`.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(gdcm_worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def ask(self, request: bytes, frame: bytes) -> tuple[bool, bytes]:
        """Return whether the frame was decoded, and the answer; OSError if the process died."""
        requests, replies = self._process.stdin, self._process.stdout
        if requests is None or replies is None:
            raise BrokenPipeError
        # A hostile frame may keep the decoder busy for ever.
        watch = threading.Timer(_SECONDS, self._process.kill)
        watch.daemon = True
        watch.start()
        try:
            requests.write(request)
            requests.write(frame)
            requests.flush()
            done, length = REPLY.unpack(_exactly(replies, REPLY.size))
            return bool(done), _exactly(replies, length)
        finally:
            watch.cancel()

    def disown(self) -> None:
        """Forget a process that is another's to end, as after a fork; close our ends of it."""
        self._process.returncode = 0
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def end(self) -> None:
        """End the process and wait for it."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    self._process.kill()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise BrokenPipeError
    return data


class _Pool:
    """Idle processes, taken and given back; as many as threads decode at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._owner = os.getpid()

    def take(self) -> _Process:
        with self._lock:
            if self._owner != os.getpid():
                # A fork: the processes answer the one that started them.
                for process in self._idle:
                    process.disown()
                self._idle, self._owner = [], os.getpid()
            if self._idle:
                return self._idle.pop()
        return _Process()

    def give(self, process: _Process) -> None:
        with self._lock:
            self._idle.append(process)

    def end(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            if self._owner == os.getpid():
                process.end()
            else:
                process.disown()


_pool = _Pool()
atexit.register(_pool.end)


def gdcm_decoded(
    frame: bytes, shape: tuple[int, int, int], decoder: int, bits: int, syntax: str
) -> bytes:
    """Decode a JPEG, JPEG lossless or JPEG-LS frame with GDCM.

    Parameters
    ----------
    frame : bytes
        The codestream.
    shape : tuple of int
        Rows, columns, samples.
    decoder : int
        8, 12 or 16: which of GDCM's decoders.
    bits : int
        Bits of a sample.
    syntax : str
        Transfer syntax UID.

    Returns
    -------
    bytes
        Samples as they are, in containers of 8 or 16 bits.

    Raises
    ------
    UnreadableFileError
        If GDCM fails, takes over a minute, or ends its process.
    ImageTooLargeError
        If its memory runs out.
    """
    request = REQUEST.pack(*shape, decoder, bits, syntax.encode("ascii"), len(frame))
    process = _pool.take()
    try:
        done, answer = process.ask(request, frame)
    except OSError as error:
        process.end()
        raise UnreadableFileError(
            "a damaged JPEG frame (its decoder ended)", "an intact file", "export or copy it again"
        ) from error
    except BaseException:
        process.end()
        raise
    _pool.give(process)
    if done:
        return answer
    name = answer.decode("ascii", "replace")
    if name == "MemoryError":
        raise ImageTooLargeError(
            "a JPEG frame that needs more memory than there is", "", "use a smaller image"
        )
    raise UnreadableFileError(
        f"a damaged JPEG frame ({name} while decoding)",
        "an intact file",
        "export or copy it again",
    )
