"""What the measurements beside an archive share: films, a listener, its memory, tables."""

from __future__ import annotations

import threading
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset

from benchmarks.pipeline_memory import descendants, pss
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    phantom_dataset,
    render_phantom,
)
from tests.fixtures.orthanc import Listener

__all__ = ["PATIENT", "Watch", "enlarged", "listener_with", "memory_mb", "phantom", "row"]

_MODEL = "severity"
PATIENT = "SECRET-4711"


def phantom(size: int = 512) -> Dataset:
    """Return one diseased phantom."""
    spec = PhantomSpec(right=LungDisease(0.6, 0.5), left=LungDisease(0.3, 0.3), seed=1, size=size)
    return phantom_dataset(render_phantom(spec), SyntheticPatient(), datetime(2026, 1, 1, 8))


def enlarged(film: Dataset, times: int) -> Dataset:
    """Return a film of so many times the rows and columns."""
    out = deepcopy(film)
    pixels = np.kron(film.pixel_array, np.ones((times, times), np.uint16))
    out.Rows, out.Columns = pixels.shape
    out.PixelData = pixels.astype("<u2").tobytes()
    return out


def listener_with(store: Path, *flags: str, port: int = 0) -> Listener:
    """Return a listener with the built-in model."""
    return Listener(store, Path(_MODEL), *flags, port=port)


def memory_mb(pid: int) -> float:
    """Return the proportional set size of a process and all that it started, in MB."""
    return sum(map(pss, descendants(pid))) * 1024 / 1e6


class Watch:
    """Keeps the most memory that a process and its children have while the block lasts.

    Parameters
    ----------
    pid : int
        Of the process.
    """

    def __init__(self, pid: int) -> None:
        self.most = memory_mb(pid)
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.most = max(self.most, memory_mb(self._pid))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def row(*cells: object) -> None:
    """Print one row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
