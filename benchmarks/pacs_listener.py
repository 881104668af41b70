"""What the listener takes: seconds to a stored report, MB/s in, memory, and films lost.

Prints Markdown tables:

- ``latency``: from the end of C-STORE to the report on the target's disk, median and 95th
  percentile, at 1, 4 and 16 associations, one film each at a time;
- ``throughput``: MB/s of films of 13 MB that are flushed to the disk, beside dcmtk's
  ``storescp`` (which does not flush);
- ``memory``: resident memory of the listener after each quarter of ``--films`` films;
- ``routing``: ``--films`` films routed by an Orthanc's change log to the listener and their
  results back, with the listener killed and started again ``--kills`` times and Orthanc away for
  a minute; counts over REST what came back.

Needs the extras ``pacs`` and ``dev``, dcmtk, and Orthanc for ``routing``:
``python -m benchmarks.pacs_listener latency throughput memory routing``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset

from pneumoscore.pacs.orthanc import Router, RouterOptions
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    phantom_dataset,
    render_phantom,
)
from tests.fixtures.orthanc import Listener, Orthanc, free_port, running, wait_for
from tests.fixtures.pacs import film_bytes

MODEL = "severity"


def films_of(source: Dataset, count: int, first: int = 1) -> list[bytes]:
    out = []
    for number in range(first, first + count):
        film = deepcopy(source)
        film.PatientID = f"PHANTOM-{number}"
        for name, root in (("StudyInstanceUID", 1), ("SeriesInstanceUID", 2)):
            setattr(film, name, f"1.2.826.0.1.3680043.10.{root}.{number}")
        film.SOPInstanceUID = f"1.2.826.0.1.3680043.10.3.{number}"
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        out.append(film_bytes(film))
    return out


def phantom(size: int) -> Dataset:
    spec = PhantomSpec(right=LungDisease(0.6, 0.5), left=LungDisease(0.3, 0.3), seed=1, size=size)
    return phantom_dataset(render_phantom(spec), SyntheticPatient(), datetime(2026, 1, 1, 8))


def enlarged(film: Dataset, times: int) -> Dataset:
    """Return a film of so many times the rows and columns."""
    out = deepcopy(film)
    pixels = np.kron(film.pixel_array, np.ones((times, times), np.uint16))
    out.Rows, out.Columns = pixels.shape
    out.PixelData = pixels.astype("<u2").tobytes()
    return out


def node(port: int) -> Node:
    return Node("PNEUMOSCORE", "127.0.0.1", port)


def alone(folder: Path, *flags: str) -> Listener:
    out = str(folder / "out")
    every = ["--allow", "TEST", "--to-folder", out, *flags]
    return Listener(folder / "store", Path(MODEL), *every)


def reports(folder: Path) -> int:
    out = folder / "out"
    return len(list(out.glob("report-*"))) if out.is_dir() else 0


def latency(folder: Path, films: int) -> None:
    print("| associations | films | median s | 95th s |\n|---|---|---|---|")
    source = phantom(512)
    listener = alone(folder)
    with running(listener):
        number = 1
        for associations in (1, 4, 16):
            seconds: list[float] = []
            for _ in range(max(1, films // associations)):
                batch = films_of(source, associations, number)
                number += associations
                seconds += _one_round(folder, listener.port, batch)
            tail = float(np.percentile(seconds, 95))
            middle = statistics.median(seconds)
            print(f"| {associations} | {len(seconds)} | {middle:.2f} | {tail:.2f} |", flush=True)


def _one_round(folder: Path, port: int, films: Sequence[bytes]) -> list[float]:
    """Send films at once; return when each further report stood on the disk."""
    before = reports(folder)
    senders = [
        threading.Thread(target=send_films, args=(node(port), "TEST", [film])) for film in films
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    sent, out = time.monotonic(), []
    while len(out) < len(films):
        done = reports(folder) - before
        out += [time.monotonic() - sent] * (done - len(out))
        time.sleep(0.005)
    return out


def throughput(folder: Path, films: int) -> None:
    print("| receiver | films | MB/s |\n|---|---|---|")
    batch = films_of(enlarged(phantom(512), 5), films)
    size = sum(map(len, batch)) / 1e6
    listener = alone(folder)
    with running(listener):
        began = time.monotonic()
        errors = send_films(node(listener.port), "TEST", batch)
        seconds = time.monotonic() - began
    assert errors == [None] * films
    print(f"| pneumoscore listen | {films} | {size / seconds:.0f} |", flush=True)
    port = free_port()
    received = folder / "storescp"
    received.mkdir()
    command = ["/usr/bin/storescp", "-aet", "PNEUMOSCORE", "-od", str(received), str(port)]
    process = subprocess.Popen(command)
    try:
        time.sleep(2)
        began = time.monotonic()
        send_films(node(port), "TEST", batch)
        seconds = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    print(f"| storescp | {films} | {size / seconds:.0f} |", flush=True)


def memory(folder: Path, films: int) -> None:
    print("| films | resident MB |\n|---|---|")
    source = phantom(512)
    listener = alone(folder)
    with running(listener):
        assert listener.process is not None
        status = Path(f"/proc/{listener.process.pid}/statm")
        for quarter in range(4):
            share = films // 4
            batch = films_of(source, share, 1 + quarter * share)
            assert send_films(node(listener.port), "TEST", batch) == [None] * share
            done = (quarter + 1) * share
            wait_for(lambda n=done: reports(folder) == n, 3600, "all are reported")
            resident = int(status.read_text().split()[1]) * 4096 / 1e6
            print(f"| {done} | {resident:.0f} |", flush=True)


def routing(folder: Path, films: int, kills: int, away: float) -> None:
    listener_port = free_port()
    archive = Orthanc(folder / "orthanc", listener_port)
    title = f"ORTHANC@127.0.0.1:{archive.dicom}"
    flags = ["--allow", title, "--to", title, "--commit"]
    listener = Listener(folder / "store", Path(MODEL), *flags, port=listener_port)
    archive.start()
    try:
        for film in films_of(phantom(512), films):
            archive.put_film(film)
        began = time.monotonic()
        stop = threading.Event()
        router = Router(RouterOptions(archive.url, "pneumoscore", folder / "route"))
        thread = threading.Thread(target=router.run, args=(stop,))
        with running(listener):
            thread.start()
            for number in range(kills):
                share = number * films // (kills + 1)
                wait_for(lambda n=share: listener.status()["films"]["done"] > n, 3600, "it works")
                listener.kill()
                listener.start()
            if away:
                archive.stop()
                time.sleep(away)
                archive.start()
            wait_for(
                lambda: (it := listener.status())["results"].get("scored", 0) == films
                and it["oldest_owed_seconds"] is None,
                3600,
                "all is delivered",
            )
            stop.set()
            thread.join(150)
        seconds = time.monotonic() - began
        found = [len(archive.find(Modality=it, Manufacturer="PneumoScore dev*")) for it in ("SR",)]
        every = len(archive.find(Manufacturer="PneumoScore dev*"))
        studies = archive.get("/studies")
        right = sum(len(archive.get(f"/studies/{study}/series")) == 3 for study in studies)
        print("| films | killed | away s | reports | captures | studies whole | seconds |")
        print("|---|---|---|---|---|---|---|")
        row = (films, kills, away, found[0], every - found[0], f"{right} of {len(studies)}")
        print("| " + " | ".join(map(str, row)) + f" | {seconds:.0f} |", flush=True)
    finally:
        archive.stop()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="+", choices=["latency", "throughput", "memory", "routing"])
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--away", type=float, default=60.0)
    asked = parser.parse_args()
    for part in asked.parts:
        print(f"\n{part}\n", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            if part == "routing":
                routing(Path(folder), asked.films, asked.kills, asked.away)
            else:
                run = {"latency": latency, "throughput": throughput, "memory": memory}[part]
                run(Path(folder), min(asked.films, 24) if part != "memory" else asked.films)


if __name__ == "__main__":
    main()
