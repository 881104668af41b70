"""What a film costs in an archive: CPU time by stage and kind of file, and a prediction.

Draws noisy films, encodes them in each kind, and takes the least CPU time of some repetitions
of each stage, decoding processes included: hash of the bytes, reading and preparing, network,
and what the driver does for each film. CPU time hardly depends on what else the machine does;
wall time would. From the sums it predicts runs of ten million films. Example:

    python benchmarks/archive_cost.py --films 4
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from pneumoscore.pipeline.archive.index import RowIndex
from pneumoscore.pipeline.archive.sink import ArchiveParts
from pneumoscore.pipeline.archive.store import open_store
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.reading import FilmReader
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.severity.model import PreparedFilm, SeverityModel

sys.path.insert(0, str(Path(__file__).resolve().parent))
from archive_films import WINDOW
from radiograph_files import dicom_file

ROWS, COLUMNS = 3000, 2500
KINDS = {
    "small JPEG": None,
    "uncompressed": "explicit",
    "JPEG lossless": "JPEG lossless SV1",
    "JPEG 2000 lossless": "JPEG 2000 lossless",
}
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=4, help="of each kind")
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 64, 512])
    arguments = parser.parse_args()
    model = SeverityModel.open(threads=1)
    with tempfile.TemporaryDirectory() as name:
        costs = {kind: cost(model, draw(Path(name), kind, arguments.films)) for kind in KINDS}
        driver = driver_cost(model, Path(name))
    print("| CPU ms a film |", " | ".join(costs), "|")
    print("|---" * (len(costs) + 1) + "|")
    for stage in ("hash", "read and prepare", "network"):
        print(f"| {stage} |", " | ".join(f"{c[stage]:.0f}" for c in costs.values()), "|")
    sums = {kind: sum(c.values()) for kind, c in costs.items()}
    print("| sum |", " | ".join(f"{value:.0f}" for value in sums.values()), "|")
    print(f"\nThe driver: {driver:.2f} ms a film.\n")
    print("| ten million films, hours |", " | ".join(costs), "|")
    print("|---" * (len(costs) + 1) + "|")
    for workers in arguments.workers:
        hours = [max(value / workers, driver) * 1e7 / 3.6e6 for value in sums.values()]
        print(f"| {workers} workers |", " | ".join(f"{value:.1f}" for value in hours), "|")


def draw(folder: Path, kind: str, count: int) -> list[Path]:
    """Write films of one kind, each with its own noise."""
    sick = LungDisease(0.5, 0.4)
    phantom = render_phantom(PhantomSpec(sick, sick, seed=1, size=512)).pixels
    random = np.random.default_rng(1)
    paths = []
    for number in range(count):
        path = folder / f"{kind}-{number}"
        if KINDS[kind] is None:
            grain = phantom + random.normal(scale=0.03, size=phantom.shape)
            Image.fromarray(np.clip(grain * 255, 0, 255).astype(np.uint8)).save(
                path, "JPEG", quality=85
            )
        else:
            image = Image.fromarray(phantom.astype(np.float32)).resize((COLUMNS, ROWS))
            values = np.asarray(image) * 3800 + 100 + random.normal(scale=12, size=(ROWS, COLUMNS))
            pixels = values.clip(0, 4095).astype(np.uint16)
            path.write_bytes(dicom_file(pixels, KINDS[kind], bits_stored=12, **WINDOW))
        paths.append(path)
    return paths


def cost(model: SeverityModel, films: list[Path]) -> dict[str, float]:
    """Return the CPU milliseconds of each stage for one film, the least over the films."""
    read = FilmReader.of(model, ScoringOptions())
    read(films[0])  # libraries and decoding processes start once
    taken: dict[str, list[float]] = {"hash": [], "read and prepare": [], "network": []}
    for film in films:
        data = film.read_bytes()
        taken["hash"].append(spent(lambda data=data: hashlib.sha256(data)))
        taken["read and prepare"].append(spent(lambda film=film: read(film)))
        prepared = read(film).film
        assert isinstance(prepared, PreparedFilm), film
        batch = [prepared] * 2
        taken["network"].append(
            spent(lambda batch=batch: model.score_prepared(batch, force=True)) / len(batch)
        )
    return {stage: min(values) for stage, values in taken.items()}


def driver_cost(model: SeverityModel, folder: Path, count: int = 2000) -> float:
    """Return the CPU milliseconds of a row: counted, indexed, written."""
    sick = LungDisease(0.5, 0.4)
    film = folder / "driver.jpg"
    pixels = render_phantom(PhantomSpec(sick, sick, seed=1, size=256)).pixels
    Image.fromarray((pixels * 255).astype(np.uint8)).save(film)
    read = FilmReader.of(model, ScoringOptions())(film)
    assert read.film is not None, read.error
    (score,) = model.score_prepared([read.film], force=True)
    run = Run.of(model, ScoringOptions())
    report = RunReport(run)
    with RowIndex(open_store(str(folder / "out"))) as index:
        sink = ArchiveParts(open_store(str(folder / "out")), index, "jsonl", True, 256)
        sink.open(run)

        def rows() -> None:
            for number in range(count):
                content = hashlib.sha256(str(number).encode()).hexdigest()
                index.by_content(content)
                result = FileResult(Path(f"film-{number}"), score, content=content)  # type: ignore[arg-type]
                report.count(result)
                sink.add(result)

        return spent(rows) / count


def spent(work: Callable[[], object]) -> float:
    """Return the CPU milliseconds of a call, those of processes started before included."""
    before = cpu()
    work()
    return 1e3 * (cpu() - before)


def cpu() -> float:
    """Return the CPU seconds of this process and its living children."""
    total = time.process_time()
    for path in Path("/proc/self/task").glob("*/children"):
        for child in path.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


if __name__ == "__main__":
    main()
