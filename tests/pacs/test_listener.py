"""The listener beside a real Orthanc, killed, stopped, filled up and attacked."""

from __future__ import annotations

import io
import json
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
import requests
from pydicom import Dataset

from pneumoscore.cli import main
from pneumoscore.pacs.orthanc import Router, RouterOptions
from pneumoscore.pacs.send import send_films
from pneumoscore.pacs.targets import Node
from pneumoscore.severity.model import SeverityModel
from tests.fixtures.orthanc import Listener, Orthanc, free_port, running, wait_for
from tests.fixtures.pacs import film_bytes, films_of, put

SECRET_ID = "SECRET-4711"


def results_in(archive: Orthanc) -> tuple[int, int]:
    """Return how many reports and captures an archive has."""
    return len(archive.find(Modality="SR")), len(
        archive.find(Manufacturer="PneumoScore developers")
    ) - len(archive.find(Modality="SR"))


def node(listener: Listener) -> Node:
    return Node("PNEUMOSCORE", "127.0.0.1", listener.port)


def settled(listener: Listener, films: int, seconds: float = 120) -> None:
    wait_for(
        lambda: sum(listener.status()["results"].values()) == films
        and listener.status()["oldest_owed_seconds"] is None,
        seconds,
        f"{films} films are scored and delivered",
    )


@pytest.fixture
def beside(orthanc: Orthanc, tmp_path: Path, tiny_folder: Path) -> Listener:
    """A listener that takes from, and delivers to, the Orthanc of the test; not started."""
    title = f"ORTHANC@127.0.0.1:{orthanc.dicom}"
    flags = ["--allow", title, "--allow", "TEST", "--to", title, "--commit"]
    return Listener(tmp_path / "store", tiny_folder, *flags, port=orthanc.listener_port)


@pytest.mark.slow
def test_results_are_back_in_the_right_studies(
    orthanc: Orthanc, beside: Listener, phantom_film: Dataset, tmp_path: Path
) -> None:
    films = films_of(phantom_film, SECRET_ID, 3)
    # A tomogram that calls itself DX: the listener does not take its class.
    tomogram = deepcopy(phantom_film)
    tomogram.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    tomogram.file_meta.MediaStorageSOPClassUID = tomogram.SOPClassUID
    stray = orthanc.put_film(film_bytes(tomogram))
    for film in films:
        orthanc.put_film(film)
    router = Router(RouterOptions(orthanc.url, "pneumoscore", tmp_path / "route"))
    with running(beside):
        router.run(threading.Event(), once=True)
        assert (router.sent, router.aside) == (3, 1)
        requests.delete(f"{orthanc.url}/instances/{stray}", timeout=20).raise_for_status()
        settled(beside, 3)
        # Twice the same: nothing new. Its own captures, sent back: ignored.
        assert send_films(node(beside), "TEST", films) == [None] * 3
        again = Router(RouterOptions(orthanc.url, "pneumoscore", tmp_path / "route"))
        again.run(threading.Event(), once=True)
        assert (again.sent, again.aside) == (0, 0)
        own = [
            requests.get(f"{orthanc.url}/instances/{it}/file", timeout=20).content
            for it in orthanc.find(Modality="OT")
        ]
        assert len(own) == 3
        assert send_films(node(beside), "TEST", own) == [None] * 3
        settled(beside, 3)
        target = f"ORTHANC@127.0.0.1:{orthanc.dicom}"
        wait_for(
            lambda: beside.status()["deliveries"][target]["confirmed"] == 6, 60, "it is committed"
        )
        # The other way round: the archive asks us to commit ourselves.
        asked = {"DicomInstances": [["1.2.840.10008.5.1.4.1.1.1.1", _uid(1)], ["1.2.3", "1.2.9"]]}
        answer = requests.post(
            f"{orthanc.url}/modalities/pneumoscore/storage-commitment", json=asked, timeout=20
        ).json()
        report = wait_for(
            lambda: ((it := orthanc.get(answer["Path"]))["Status"] != "Pending" and it),
            30,
            "we report",
        )
        assert report["Success"] == [], "the listener keeps no film"
        assert {item["SOPInstanceUID"] for item in report["Failures"]} == {_uid(1), "1.2.9"}
        assert beside.stop() == 0
    assert results_in(orthanc) == (3, 3)
    for number, study in enumerate(sorted(_studies(orthanc)), start=1):
        assert study[1] == f"{SECRET_ID}-{number}"
        assert study[2] == 3, "film, report and capture"
    assert len(orthanc.get("/patients")) == len(orthanc.get("/studies")) == 3
    log = beside.log.read_text()
    assert "Geheim" not in log
    assert SECRET_ID not in log
    assert "1.2.826.0.1.3680043" not in log


def _uid(number: int) -> str:
    return f"1.2.826.0.1.3680043.10.3.{number}"


def _studies(archive: Orthanc) -> list[tuple[str, str, int]]:
    out = []
    for item in archive.get("/studies?expand"):
        count = sum(len(archive.get(f"/series/{series}")["Instances"]) for series in item["Series"])
        uid, patient = item["MainDicomTags"]["StudyInstanceUID"], item["PatientMainDicomTags"]
        out.append((uid, patient["PatientID"], count))
    return out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_when_all_go_down(
    orthanc: Orthanc, beside: Listener, phantom_film: Dataset, tmp_path: Path
) -> None:
    count = 12
    for film in films_of(phantom_film, SECRET_ID, count):
        orthanc.put_film(film)
    stop = threading.Event()
    router = Router(RouterOptions(orthanc.url, "pneumoscore", tmp_path / "route"))
    routing = threading.Thread(target=router.run, args=(stop,))
    with running(beside):
        routing.start()
        # Twice; benchmarks/pacs_routing.py does it at length.
        for round_ in range(2):
            wait_for(
                lambda n=round_: beside.status()["films"]["done"] > 4 * n, 240, "it works again"
            )
            beside.kill()
            beside.start()
        orthanc.stop()
        time.sleep(5)
        orthanc.start()
        settled(beside, count, 300)
        stop.set()
        routing.join(150)
    assert not routing.is_alive()
    assert results_in(orthanc) == (count, count)
    assert {it[2] for it in _studies(orthanc)} == {3}


@pytest.mark.slow
def test_a_withheld_film_is_found_and_scored(
    orthanc: Orthanc,
    beside: Listener,
    phantom_film: Dataset,
    tiny_folder: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    first, second = films_of(phantom_film, SECRET_ID, 2)
    orthanc.put_film(first)
    orthanc.put_film(second)
    url = f"{orthanc.url}/dicom-web"
    arguments = ["reconcile", url, "--since", "2026-01-01", "--model", str(tiny_folder)]
    to = ["--send-to", f"PNEUMOSCORE@127.0.0.1:{beside.port}", "--aet", "TEST"]
    with running(beside):
        assert send_films(node(beside), "TEST", [first]) == [None]
        settled(beside, 1)
        assert main(arguments) == 1
        assert capsys.readouterr().out.split() == ["1.2.826.0.1.3680043.10.1.2", _uid(2)]
        assert main([*arguments, *to]) == 0
        settled(beside, 2)
        assert main(arguments) == 0
    assert results_in(orthanc) == (2, 2)
    # What is in the archive can be fetched, once, and stored again.
    out = tmp_path / "pulled"
    assert main(["pull", url, "-o", str(out), "--patient", f"{SECRET_ID}-1"]) == 0
    assert [path.name for path in out.iterdir()] == [f"{_uid(1)}.dcm"]
    capsys.readouterr()
    assert main(["pull", url, "-o", str(out)]) == 0
    assert "1 films fetched, 1 were there already" in capsys.readouterr().out
    assert main(["push", url, *map(str, out.iterdir())]) == 0
    garbage = tmp_path / "garbage.dcm"
    garbage.write_bytes(b"no DICOM at all" * 20)
    assert main(["push", url, str(garbage)]) == 1


@pytest.mark.slow
def test_earlier_films_are_fetched_and_recorded_but_not_reported(
    orthanc: Orthanc, phantom_film: Dataset, tmp_path: Path, tiny_folder: Path
) -> None:
    from pneumoscore.records.database import Records
    from pneumoscore.records.reading import patient_keys, scored_films

    films = []
    for number, day in ((1, "20260101"), (2, "20260105"), (3, "20251001")):
        film = deepcopy(phantom_film)
        film.PatientID = SECRET_ID
        film.StudyDate = film.AcquisitionDate = film.ContentDate = film.SeriesDate = day
        film.StudyInstanceUID = f"1.2.826.0.1.3680043.10.1.{number}"
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = _uid(number)
        film.SeriesInstanceUID = f"1.2.826.0.1.3680043.10.2.{number}"
        films.append(film_bytes(film))
        orthanc.put_film(films[-1])
    flags = ["--allow", "TEST", "--to-folder", str(tmp_path / "out")]
    records = tmp_path / "records.db"
    flags += ["--records", str(records), "--priors", f"{orthanc.url}/dicom-web"]
    listener = Listener(tmp_path / "store", tiny_folder, *flags)
    with running(listener):
        assert send_films(node(listener), "TEST", [films[1]]) == [None]
        wait_for(lambda: listener.status()["films"]["done"] == 2, 90, "two are scored")
        assert len(list((tmp_path / "out").iterdir())) == 2
        # Sent itself, an earlier film gets its report too.
        assert send_films(node(listener), "TEST", [films[0]]) == [None]
        settled(listener, 2)
        assert listener.stop() == 0
    assert len(list((tmp_path / "out").iterdir())) == 4
    opened = Records.open(records)
    assert patient_keys(opened) == {SECRET_ID}
    sha256 = SeverityModel.open(tiny_folder).identity.sha256
    every = [_uid(number) for number in (1, 2, 3)]
    assert scored_films(opened, every, sha256) == set(every[:2])
    assert SECRET_ID not in listener.log.read_text()


@pytest.fixture
def alone(tmp_path: Path, tiny_folder: Path) -> Listener:
    """A listener that delivers into a folder; not started."""
    flags = ["--allow", "TEST", "--to-folder", str(tmp_path / "out")]
    return Listener(tmp_path / "store", tiny_folder, *flags)


@pytest.mark.slow
def test_other_pixels_and_films_without_a_study_are_given_up_with_the_reason(
    alone: Listener, phantom_film: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    (film,) = films_of(phantom_film, SECRET_ID, 1)
    header, pixels, studyless = (deepcopy(phantom_film) for _ in range(3))
    for other in (header, pixels):
        other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = _uid(1)
    header.PatientName = "Corrected^Name"
    levels = pixels.pixel_array[::-1].copy()
    pixels.PixelData = levels.tobytes()
    put(studyless, "StudyInstanceUID", "")
    with running(alone):
        assert send_films(node(alone), "TEST", [film]) == [None]
        settled(alone, 1)
        films = [film_bytes(it) for it in (header, pixels, studyless)]
        assert send_films(node(alone), "TEST", films) == [None] * 3
        wait_for(lambda: alone.status()["films"]["dead"] == 2, 60, "two are given up")
        wait_for(lambda: alone.status()["films"]["waiting"] == 0, 60, "nothing waits")
        assert alone.status()["films"]["done"] == 2
        assert main(["pacs", "dead", str(alone.store)]) == 0
        said = capsys.readouterr().out
        assert "other pixels under a SOP Instance UID that is known" in said
        assert "without a Study Instance UID" in said
        reasons = list((alone.store / "inbox" / "films").glob("*.reason.txt"))
        assert len(reasons) == 2
        assert alone.stop() == 0
    assert len(list((alone.store.parent / "out").iterdir())) == 2


@pytest.mark.slow
def test_a_full_disk_refuses_and_recovers(
    tmp_path: Path,
    tiny_folder: Path,
    phantom_film: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        flags = ["--allow", "TEST", "--to-folder", str(tmp_path / "out")]
        listener = Listener(disk / "store", tiny_folder, *flags)
        listener.log = tmp_path / "log"
        films = films_of(phantom_film, SECRET_ID, 2)
        with running(listener):
            free = shutil.disk_usage(disk).free
            (disk / "full").write_bytes(bytes(free - 800_000))
            (error,) = send_films(node(listener), "TEST", films[:1])
            assert error == "answered 0xa700"
            # To the last byte: how it stands can be seen all the same.
            with (disk / "full").open("ab", buffering=0) as filler, suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            assert main(["pacs", "status", str(listener.store)]) == 0
            assert json.loads(capsys.readouterr().out)["free_mb"] == 0
            (disk / "full").unlink()
            assert send_films(node(listener), "TEST", films) == [None] * 2
            settled(listener, 2)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
def test_hostile_peers_do_not_stop_the_others(
    alone: Listener, phantom_film: Dataset, tmp_path: Path
) -> None:
    (film,) = films_of(phantom_film, SECRET_ID, 1)
    with running(alone):
        address = ("127.0.0.1", alone.port)
        before = _memory(alone)
        half = [socket.create_connection(address) for _ in range(12)]
        for peer in half:
            peer.sendall(b"\x01\x00\x00")
        giant = socket.create_connection(address)
        giant.sendall(b"\x01\x00" + (700 * 2**20).to_bytes(4, "big"))
        sent = 0
        try:
            while sent < 64 * 2**20:
                sent += giant.send(bytes(65536))
        except OSError:
            pass
        assert sent < 64 * 2**20, "a PDU of 700 MiB was read"
        assert _memory(alone) - before < 100 * 2**20
        assert send_films(node(alone), "STRANGER", [film]) == [
            "the application did not accept the association"
        ]
        evil = deepcopy(phantom_film)
        evil.SOPInstanceUID = "../../../../tmp/evil"
        evil.file_meta.MediaStorageSOPInstanceUID = evil.SOPInstanceUID
        began = time.monotonic()
        (error,) = wait_for(lambda: send_films(node(alone), "TEST", [film]), 30, "it serves")
        assert error is None
        assert time.monotonic() - began < 20
        (refused,) = send_films(node(alone), "TEST", [film_bytes(evil)])
        assert refused is not None
        settled(alone, 1)
        for peer in (*half, giant):
            peer.close()
        listened = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert not [path for path in listened if "evil" in path.name]
        assert not Path("/tmp/evil").exists()
        log = alone.log.read_text()
        assert "evil" not in log, "pydicom's warning of a malformed UID quotes it"
        assert "Geheim" not in log
        assert SECRET_ID not in log


def _memory(listener: Listener) -> int:
    assert listener.process is not None
    text = Path(f"/proc/{listener.process.pid}/statm").read_text()
    return int(text.split()[1]) * 4096


def test_nobody_may_send_unless_named(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["listen", "--store", str(tmp_path / "store"), "--port", str(free_port())]) != 0
    assert "nobody may send" in capsys.readouterr().err


def test_what_was_given_up_or_delivered_is_deleted_when_its_time_is_over(
    tmp_path: Path, model: SeverityModel
) -> None:
    from pneumoscore.pacs.deliveries import OutboxObject
    from pneumoscore.pacs.listener.journal import Journal
    from pneumoscore.pacs.listener.listener import Listener as Served
    from pneumoscore.pacs.listener.options import ListenOptions
    from pneumoscore.pacs.listener.work import reason_file
    from pneumoscore.pacs.outbox import Outbox
    from pneumoscore.pipeline.inbox import Inbox
    from pneumoscore.pipeline.options import ScoringOptions

    inbox, outbox = Inbox(tmp_path / "inbox"), Outbox(tmp_path / "outbox")
    inbox.put(b"no film", "key", {"uid": "1.2.3"})
    (entry,) = inbox.claim("worker")
    inbox.bury(entry, "why")
    reason_file(entry.path).write_text("why")
    report = OutboxObject("2.25.1", "report", "1.2", b"bytes")
    outbox.add("1.2.4", "model", "scored", "picture", [report], [("A", ("report",))])
    outbox.sent("2.25.1", "A")

    def files_after(keep_days: float, keep_dead_days: float) -> list[str]:
        options = ListenOptions(
            store=tmp_path, allow=("A",), keep_days=keep_days, keep_dead_days=keep_dead_days
        )
        Served(options, model, ScoringOptions(), Journal(io.StringIO()))._lock.close()
        kept = (tmp_path / "inbox" / "films", tmp_path / "outbox" / "objects")
        return sorted(path.suffix for folder in kept for path in folder.iterdir())

    assert files_after(7.0, 30.0) == [".dcm", ".film", ".txt"]
    assert files_after(0.0, 30.0) == [".film", ".txt"]
    assert files_after(0.0, 0.0) == []
    assert outbox.picture_of("1.2.4", "model") == "picture", "a result is not forgotten"


def test_a_film_that_a_kill_left_undeleted_is_deleted_at_the_next_start(
    tmp_path: Path, model: SeverityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumoscore.pacs.listener.journal import Journal
    from pneumoscore.pacs.listener.listener import Listener as Served
    from pneumoscore.pacs.listener.options import ListenOptions
    from pneumoscore.pipeline.inbox import Inbox, State
    from pneumoscore.pipeline.options import ScoringOptions

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    inbox = Inbox(tmp_path / "inbox")
    for name in ("done", "waits", "dead"):
        inbox.put(name.encode(), name, {"uid": "1.2.3"})
    done, _, dead = inbox.claim("worker", most=3)
    inbox.bury(dead, "why")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(Killed):
            inbox.done(done)
    assert inbox.entry(done.id).state is State.DONE
    assert done.path.exists()
    options = ListenOptions(store=tmp_path, allow=("A",))
    Served(options, model, ScoringOptions(), Journal(io.StringIO()))._lock.close()
    films = (tmp_path / "inbox" / "films").iterdir()
    assert sorted(path.read_text() for path in films) == ["dead", "waits"]


def test_a_store_that_cannot_be_opened_is_tidied_another_time(
    tmp_path: Path, model: SeverityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pneumoscore.pacs.listener.journal import Journal
    from pneumoscore.pacs.listener.listener import Listener as Served
    from pneumoscore.pacs.listener.options import ListenOptions
    from pneumoscore.pipeline.options import ScoringOptions

    log = io.StringIO()
    options = ListenOptions(store=tmp_path, allow=("A",))
    served = Served(options, model, ScoringOptions(), Journal(log))

    def unable(*_: object, **__: object) -> int:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(served.outbox, "forget", unable)
    served._tidy_if_possible()
    served._lock.close()
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["event"], line["reason"]) == ("not tidied", "OperationalError")
