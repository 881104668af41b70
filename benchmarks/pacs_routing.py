"""Films routed through an Orthanc and their results back, whatever goes down in between.

Prints a row for each way in which things go wrong, counted over REST from what the Orthanc holds
at the end:

- ``plain``: nothing goes wrong;
- ``killed``: the listener is killed (SIGKILL) and started again ``--kills`` times at work;
- ``away``: the Orthanc is stopped for ``--away`` seconds;
- ``full``: the listener's disk, a tmpfs, is full twice for 10 seconds (needs root);
- ``withheld``: every fourth film is not routed; ``pneumoscore reconcile`` finds and sends it.

``studies whole`` counts studies that hold one film, one report and one capture, all of the same
patient, the report's evidence being that film. ``stored again`` counts deliveries that the Orthanc
already had: a listener that is killed between a delivery and its note repeats it. Exits with 1 if
a row is not as it should be.

Needs the extras ``pacs`` and ``dev`` and Orthanc: ``python -m benchmarks.pacs_routing``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

from pydicom import dcmread

from benchmarks.pacs_films import PATIENT, listener_with, phantom, row
from pneumoscore.cli import main as command
from pneumoscore.pacs.identity import MANUFACTURER
from pneumoscore.pacs.orthanc import Router, RouterOptions
from tests.fixtures.orthanc import Listener, Orthanc, free_port, running, wait_for
from tests.fixtures.pacs import films_of

_LONG = 3600.0
_FULL_SECONDS = 10.0
_DISK = "1g"


@dataclass(frozen=True)
class Site:
    """An archive, a listener beside it, and the router between them."""

    archive: Orthanc
    listener: Listener
    router: Router
    films: int

    def works(self, share: float) -> None:
        """Wait until a share of the films is done."""
        enough = int(share * self.films)
        wait_for(lambda: self.listener.status()["films"]["done"] > enough, _LONG, "it works")


def kill(site: Site, times: int) -> None:
    """Kill the listener at work, and start it again."""
    for number in range(times):
        site.works(number / (times + 1))
        site.listener.kill()
        site.listener.start()


def stop_archive(site: Site, seconds: float) -> None:
    """Stop the archive in the middle."""
    site.works(0.3)
    site.archive.stop()
    time.sleep(seconds)
    site.archive.start()


def fill_disk(site: Site) -> None:
    """Fill the listener's disk twice, to the last byte."""
    for share in (0.2, 0.6):
        site.works(share)
        filler = site.listener.store.parent / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(1 << 16))
            except OSError:
                pass
        time.sleep(_FULL_SECONDS)
        filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Yield a tmpfs."""
    folder.mkdir()
    size = ["-o", f"size={_DISK}"]
    subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def routed(folder: Path, disk: Path, name: str, films: int, wrong: Callable[[Site], None]) -> bool:
    """Route films while something goes wrong; print what the archive holds in the end."""
    port = free_port()
    archive = Orthanc(folder / "orthanc", port)
    title = f"ORTHANC@127.0.0.1:{archive.dicom}"
    flags = ["--allow", title, "--allow", "RECONCILE", "--to", title, "--commit"]
    listener = listener_with(disk / "store", *flags, port=port)
    listener.log = folder / "listener.log"
    router = Router(RouterOptions(archive.url, "pneumoscore", folder / "route"))
    made = films_of(phantom(), PATIENT, films)
    withheld = made[::4] if name == "withheld" else []
    archive.start()
    try:
        for film in made:
            if film not in withheld:
                archive.put_film(film)
        began, stop = time.monotonic(), threading.Event()
        thread = threading.Thread(target=router.run, args=(stop,), daemon=True)
        with running(listener):
            thread.start()
            wrong(Site(archive, listener, router, films))
            _settled(listener, films - len(withheld))
            stop.set()
            thread.join(150)
            for film in withheld:
                archive.put_film(film)
            found = _reconciled(archive, listener) if withheld else 0
            _settled(listener, films)
        seconds = time.monotonic() - began
        reports, captures, whole, again = _counted(archive)
        row(name, films, reports, captures, whole, again, found, f"{seconds:.0f}")
        log = listener.log.read_text()
        assert PATIENT not in log, "a patient is named in the log"
        return (reports, captures, whole, found) == (films, films, films, len(withheld))
    finally:
        archive.stop()


def _settled(listener: Listener, films: int) -> None:
    wait_for(
        lambda: (it := listener.status())["results"].get("scored", 0) == films
        and it["oldest_owed_seconds"] is None,
        _LONG,
        "all is delivered",
    )


def _reconciled(archive: Orthanc, listener: Listener) -> int:
    """Let ``pneumoscore reconcile`` find and send what was withheld; how many it found."""
    said = StringIO()
    with redirect_stdout(said):
        status = command(
            [
                *("reconcile", f"{archive.url}/dicom-web"),
                *("--send-to", f"PNEUMOSCORE@127.0.0.1:{listener.port}"),
            ]
        )
    assert status == 0, said.getvalue()
    return len(said.getvalue().splitlines())


def _counted(archive: Orthanc) -> tuple[int, int, int, int]:
    """Return reports, captures, studies whole, and deliveries of what was there already."""
    reports = captures = whole = 0
    for study in archive.get("/studies"):
        kinds: list[str] = []
        patients, evidence, film = set(), "", "?"
        for instance in archive.get(f"/studies/{study}/instances"):
            data = archive.session.get(f"{archive.url}/instances/{instance['ID']}/file").content
            dataset = dcmread(BytesIO(data), stop_before_pixels=True)
            patients.add(dataset.PatientID)
            if dataset.get("Manufacturer") != MANUFACTURER:
                kinds.append("film")
                film = dataset.SOPInstanceUID
            elif dataset.Modality == "SR":
                kinds.append("report")
                (study_item,) = dataset.CurrentRequestedProcedureEvidenceSequence
                (series_item,) = study_item.ReferencedSeriesSequence
                evidence = series_item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            else:
                kinds.append("capture")
        reports += kinds.count("report")
        captures += kinds.count("capture")
        same = len(patients) == 1 and evidence == film
        whole += same and sorted(kinds) == ["capture", "film", "report"]
    return reports, captures, whole, _came(archive) - len(archive.get("/instances"))


def _came(archive: Orthanc) -> int:
    """Return how often an instance was stored, those that it had already included."""
    number, count = 0, 0
    while True:
        page = archive.get(f"/changes?since={number}&limit=1000")
        count += sum(change["ChangeType"] == "NewInstance" for change in page["Changes"])
        number = page["Last"]
        if page["Done"]:
            return count


def main() -> int:
    """Run what was asked for."""
    names = ("plain", "killed", "away", "full", "withheld")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("ways", nargs="*", default=[], help=f"of {', '.join(names)}; all")
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--away", type=float, default=60.0)
    asked = parser.parse_args()
    if unknown := set(asked.ways) - set(names):
        parser.error(f"{unknown.pop()!r} is none of {', '.join(names)}")
    wrongs: dict[str, Callable[[Site], None]] = {
        "killed": lambda site: kill(site, asked.kills),
        "away": lambda site: stop_archive(site, asked.away),
        "full": fill_disk,
    }
    columns = ("films", "reports", "captures", "studies whole", "stored again", "reconciled", "s")
    row("way", *columns)
    row(*["---"] * 8)
    good = True
    for name in asked.ways or names:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            wrong = wrongs.get(name, lambda site: None)
            if name == "full":
                with small_disk(folder / "disk") as disk:
                    good &= routed(folder, disk, name, asked.films, wrong)
            else:
                good &= routed(folder, folder, name, asked.films, wrong)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
