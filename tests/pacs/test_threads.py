"""What a listener's threads meet does not end them."""

from __future__ import annotations

import io
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from pneumoscore.pacs.deliveries import OutboxObject, Patience
from pneumoscore.pacs.dicomweb import Archive, FilmQuery, FoundFilm
from pneumoscore.pacs.listener.deliver import Deliverer
from pneumoscore.pacs.listener.intake import FilmIntake
from pneumoscore.pacs.listener.journal import Journal
from pneumoscore.pacs.listener.priors import Priors
from pneumoscore.pacs.objects.header import film_header
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.targets import Parcel, Sent, Target
from pneumoscore.pacs.targets.folder import FolderTarget
from pneumoscore.pipeline.inbox import Inbox


@contextmanager
def at_work(run: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run what a listener runs in a thread, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20.0)


def soon(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20.0
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def events(log: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in log.getvalue().splitlines()]


class BrokenOutbox(Outbox):
    """Cannot be opened the first time, whatever it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.broken = {"owed", "next_due"}

    def owed(self, target: str, most: int = 16) -> list[Parcel]:
        self._break("owed")
        return super().owed(target, most)

    def next_due(self, target: str) -> float | None:
        self._break("next_due")
        return super().next_due(target)

    def _break(self, asked: str) -> None:
        if asked in self.broken:
            self.broken.remove(asked)
            raise sqlite3.OperationalError("unable to open database file")


class BrokenTarget(FolderTarget):
    """Has a fault of ours some times."""

    def __init__(self, folder: Path, faults: int) -> None:
        super().__init__(folder)
        self.faults = faults

    def send(self, parcels: Sequence[Parcel]) -> list[Sent]:
        if self.faults:
            self.faults -= 1
            raise KeyError("a fault")
        return super().send(parcels)


def owe(outbox: Outbox, target: Target) -> None:
    report = OutboxObject("2.25.1", "report", "1.2.840.10008.5.1.4.1.1.88.34", b"report")
    outbox.add("1.2.3", "model", "scored", "picture", [report], [(target.name, ("report",))])


def delivered(
    outbox: Outbox, target: Target, out: Path, until: Callable[[], bool] = lambda: True
) -> io.StringIO:
    owe(outbox, target)
    log = io.StringIO()
    deliverer = Deliverer(outbox, target, Journal(log), commit=False)
    with at_work(deliverer.run):
        soon(lambda: "results delivered" in events(log) and until())
    assert [path.read_bytes() for path in out.iterdir()] == [b"report"]
    return log


def test_a_store_that_cannot_be_opened_for_a_while_is_delivered_from_later(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    outbox = BrokenOutbox(tmp_path / "outbox")
    log = delivered(outbox, FolderTarget(out), out, lambda: not outbox.broken)
    said = ["outbox cannot be used", "results delivered", "outbox cannot be used"]
    soon(lambda: events(log) == said)


def test_a_fault_in_delivery_is_said_and_the_delivery_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    outbox = Outbox(tmp_path / "outbox", Patience(first=0.1))
    log = delivered(outbox, BrokenTarget(out, faults=2), out)
    assert events(log) == ["delivery failed", "delivery failed", "results delivered"]
    assert "internal error (KeyError)" in log.getvalue()


def test_a_fault_that_stays_is_met_no_more_often_than_a_target_that_is_away(
    tmp_path: Path,
) -> None:
    target = BrokenTarget(tmp_path / "out", faults=1000)
    outbox, log = Outbox(tmp_path / "outbox", Patience(first=600.0)), io.StringIO()
    deliverer = Deliverer(outbox, target, Journal(log), commit=False)
    owe(outbox, target)
    with at_work(deliverer.run):
        soon(lambda: bool(events(log)))
        for _ in range(20):
            deliverer.wake.set()
            time.sleep(0.02)
    assert events(log) == ["delivery failed"]
    assert target.faults == 999


class EmptyArchive(Archive):
    """Has nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def films(self, query: FilmQuery) -> Iterator[FoundFilm]:
        self.asked.append(str(query.patient))
        return iter(())


def test_a_film_of_the_year_1_does_not_end_the_search_for_others(
    phantom_film: Dataset, tmp_path: Path
) -> None:
    archive, log = EmptyArchive(), io.StringIO()
    inbox = Inbox(tmp_path / "inbox")
    priors = Priors(archive, 90, inbox, "0" * 64, Journal(log), lambda: None)
    with at_work(priors.run):
        for patient, day in (("A", "00010105"), ("B", "20260105")):
            film = deepcopy(phantom_film)
            film.PatientID, film.StudyDate = patient, day
            priors.look_for(film_header(film))
        soon(lambda: archive.asked == ["B"])
    assert events(log) == ["priors not fetched"]


class FullDisk(io.StringIO):
    """A log on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_costs_no_film(tmp_path: Path) -> None:
    Journal(FullDisk()).say("film received")
    inbox, outbox = Inbox(tmp_path / "inbox"), Outbox(tmp_path / "outbox")
    journal = Journal(FullDisk())
    intake = FilmIntake(
        inbox, outbox, "0" * 64, journal, most_waiting=2, min_free_bytes=0, wake=lambda: None
    )
    assert intake.take(b"a film", "1.2.3", "TEST") == 0x0000
    assert [entry.path.read_bytes() for entry in inbox.claim("worker", most=2)] == [b"a film"]


def test_a_store_that_cannot_be_opened_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, outbox = Inbox(tmp_path / "inbox"), Outbox(tmp_path / "outbox")
    intake = FilmIntake(
        inbox, outbox, "0" * 64, Journal(io.StringIO()),
        most_waiting=2, min_free_bytes=0, wake=lambda: None,
    )  # fmt: skip

    def unable(*_: object) -> bool:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(outbox, "is_own", unable)
    assert intake.take(b"a film", "1.2.3", "TEST") == 0xA700
