"""What the listener takes: seconds to a stored report, MB/s in, and memory.

Prints Markdown tables:

- ``latency``: from the beginning of a film's C-STORE until an archive of the benchmark's own has
  its report, median and 95th percentile, at 1, 4 and 16 associations that each send one film at
  the same moment; the next round begins when the last report is there;
- ``throughput``: MB/s of films that are flushed to the disk while others are scored, beside
  dcmtk's ``storescp``, which does neither, at 1 and 4 associations;
- ``memory``: proportional set size of the listener and its readers after each eighth of
  ``--films`` films.

Films are phantoms of 2,560 x 2,560 pixels (13 MB), of 512 x 512 for ``memory``. Needs the extras
``pacs`` and ``dev`` and dcmtk: ``python -m benchmarks.pacs_listener latency throughput memory``.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pynetdicom import AE, evt

from benchmarks.pacs_films import PATIENT, enlarged, listener_with, memory_mb, phantom, row
from pneumoscore.pacs.listener.journal import silence_libraries
from pneumoscore.pacs.objects.result import objects_uid
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node
from pneumoscore.severity.model import SeverityModel
from tests.fixtures.orthanc import free_port, running, wait_for
from tests.fixtures.pacs import films_of, storescp

_RESULTS = ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7")
_ROUNDS = {1: 24, 4: 8, 16: 3}
_TIMES = 5


class Archive:
    """Takes results and notes when."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}
        self.port = free_port()
        self._entity = AE("ARCHIVE")
        for sop_class in _RESULTS:
            self._entity.add_supported_context(sop_class)

    def _stored(self, event: Any) -> int:
        self.came[str(event.request.AffectedSOPInstanceUID)] = time.monotonic()
        return 0

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take results as long as the block lasts."""
        handlers: list[Any] = [(evt.EVT_C_STORE, self._stored)]
        address = ("127.0.0.1", self.port)
        server = self._entity.start_server(address, block=False, evt_handlers=handlers)
        try:
            yield
        finally:
            server.shutdown()


def latency(folder: Path, _: int) -> None:
    """Print how long a report takes."""
    row("associations", "films", "median s", "95th s")
    row(*["---"] * 4)
    identity = SeverityModel.open("severity").identity
    archive = Archive()
    flags = ["--allow", "TEST", "--to", f"ARCHIVE@127.0.0.1:{archive.port}"]
    listener = listener_with(folder / "store", *flags)
    source, number = enlarged(phantom(), _TIMES), 1
    with archive.open(), running(listener):
        for associations, rounds in _ROUNDS.items():
            seconds: list[float] = []
            for _round in range(rounds):
                batch = films_of(source, PATIENT, associations, number)
                number += associations
                began = _sent_at_once(listener.port, batch)
                reports = {objects_uid(uid, identity, "report"): at for uid, at in began.items()}
                wait_for(lambda r=reports: set(r) <= set(archive.came), 300, "reports", 0.02)
                seconds += [archive.came[uid] - at for uid, at in reports.items()]
            middle, tail = np.percentile(seconds, [50, 95])
            row(associations, len(seconds), f"{middle:.2f}", f"{tail:.2f}")


def _sent_at_once(port: int, films: Sequence[bytes]) -> dict[str, float]:
    """Send each film in an association of its own; return when each began, by its UID."""
    began: dict[str, float] = {}

    def send(film: bytes) -> None:
        uid = str(dcmread(BytesIO(film), stop_before_pixels=True).SOPInstanceUID)
        began[uid] = time.monotonic()
        assert send_films(Node("PNEUMOSCORE", "127.0.0.1", port), "TEST", [film]) == [None]

    _together(send, films)
    return began


def _together(work: Callable[[Any], None], parts: Sequence[Any]) -> None:
    threads = [threading.Thread(target=work, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def throughput(folder: Path, _: int) -> None:
    """Print how fast films are taken."""
    row("receiver", "associations", "films", "MB/s")
    row(*["---"] * 4)
    films = films_of(enlarged(phantom(), _TIMES), PATIENT, 48)
    halves = films[:24], films[24:]
    flags = ["--allow", "TEST", "--to-folder", str(folder / "out")]
    listener = listener_with(folder / "store", *flags)
    with running(listener):
        for associations, half in zip((1, 4), halves, strict=True):
            rate = _rate(listener.port, half, associations)
            row("pneumoscore listen", associations, len(half), f"{rate:.0f}")
    port = free_port()
    with storescp(port, folder / "storescp", "--fork", "-pdu", "131072", "-aet", "PNEUMOSCORE"):
        for associations, half in zip((1, 4), halves, strict=True):
            rate = _rate(port, half, associations)
            row("storescp", associations, len(half), f"{rate:.0f}")


def _rate(port: int, films: Sequence[bytes], associations: int) -> float:
    """Return MB/s of films that are shared out to associations."""

    def send(part: Sequence[bytes]) -> None:
        node = Node("PNEUMOSCORE", "127.0.0.1", port)
        assert send_films(node, "TEST", part) == [None] * len(part)

    began = time.monotonic()
    _together(send, [films[start::associations] for start in range(associations)])
    return sum(map(len, films)) / 1e6 / (time.monotonic() - began)


def memory(folder: Path, films: int) -> None:
    """Print what the listener holds as films go through it."""
    row("films", "MB", "films a second")
    row(*["---"] * 3)
    flags = ["--allow", "TEST", "--to-folder", str(folder / "out")]
    listener = listener_with(folder / "store", *flags)
    source, share, began = phantom(), max(1, films // 8), time.monotonic()
    with running(listener):
        assert listener.process is not None
        for done in range(0, films, share):
            batch = films_of(source, PATIENT, share, done + 1)
            node = Node("PNEUMOSCORE", "127.0.0.1", listener.port)
            assert send_films(node, "TEST", batch) == [None] * share
            wait_for(
                lambda n=done + share: listener.status()["films"]["done"] == n, 3600, "done", 1.0
            )
            rate = (done + share) / (time.monotonic() - began)
            row(done + share, f"{memory_mb(listener.process.pid):.0f}", f"{rate:.2f}")


def main() -> None:
    """Run what was asked for."""
    parts = {"latency": latency, "throughput": throughput, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="+", choices=list(parts))
    parser.add_argument("--films", type=int, default=2000)
    asked = parser.parse_args()
    silence_libraries()
    for part in asked.parts:
        print(f"\n{part}\n", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            parts[part](Path(folder), asked.films)


if __name__ == "__main__":
    main()
