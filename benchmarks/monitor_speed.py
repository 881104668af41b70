"""How fast the records are with 10,000 patients and 200,000 scores.

Imports films in the order a hospital makes them, then measures a patient's timeline and the
ward overview as the library gives them, on SQLite or, by URL, on an empty PostgreSQL database:

    python benchmarks/monitor_speed.py
    python benchmarks/monitor_speed.py --records postgresql://user@host/empty

Prints a Markdown table. A score is one value on one scale; each film has two.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from pneumoscore.monitor.change.error_model import ErrorModel, ScaleError
from pneumoscore.monitor.change.rules import RuleSet
from pneumoscore.monitor.change.verdict import judge
from pneumoscore.monitor.ward import ward_overview
from pneumoscore.present.table import Table
from pneumoscore.records.backup import backup
from pneumoscore.records.database import Records
from pneumoscore.records.reading import read_timeline
from pneumoscore.records.types import FilmRecord, ScaleValue
from pneumoscore.records.writing import import_films
from pneumoscore.severity.score import ModelIdentity

MODEL = ModelIdentity("benchmark", "1", "backbone 1", "a" * 64)
ERRORS = ErrorModel(
    MODEL.name,
    MODEL.version,
    MODEL.sha256,
    {
        "geographic_extent": ScaleError((0.0, 4.0, 8.0), (0.3, 0.5, 0.3)),
        "opacity": ScaleError((0.0, 3.0, 6.0), (0.2, 0.35, 0.2)),
    },
)


def films(patients: int, each: int, seed: int = 0) -> Iterator[FilmRecord]:
    """Yield one film of every patient, then the next one of every patient, and so on."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(0, 8, patients)
    start = datetime(2026, 1, 1)
    for number in range(each):
        levels = np.clip(levels + generator.normal(0, 0.6, patients), 0, 8)
        hours = number * 24 + generator.uniform(0, 24, patients)
        for patient in range(patients):
            extent = float(levels[patient])
            values = (
                ScaleValue("geographic_extent", extent, extent, max(0.0, extent - 2),
                           min(8.0, extent + 2), 0.9, extent / 2, extent / 2),
                ScaleValue("opacity", extent * 0.7, extent * 0.7, max(0.0, extent * 0.7 - 1),
                           min(6.0, extent * 0.7 + 1), 0.9, extent * 0.35, extent * 0.35),
            )  # fmt: skip
            yield FilmRecord(
                f"P{patient:06}",
                f"1.2.826.0.1.{patient}.{number}",
                f"1.2.826.0.2.{patient}.{number}",
                start + timedelta(hours=float(hours[patient])),
                MODEL,
                values,
                view="AP" if number % 4 else "PA",
                sex="F" if patient % 2 else "M",
                file=f"/archive/{patient}/{number}.dcm",
            )


def timed(action: object, repeats: int) -> tuple[float, float]:
    """Return median and slowest wall time of a callable, in milliseconds."""
    spent = []
    for number in range(repeats):
        began = time.perf_counter()
        action(number)  # type: ignore[operator]
        spent.append(1000 * (time.perf_counter() - began))
    return float(np.median(spent)), max(spent)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", help="URL of an empty database; default: a temporary file")
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--films", type=int, default=10, help="of each patient")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.records or str(Path(folder) / "records.db")
        with Records.open(place) as records:
            measure(records, options.patients, options.films, Path(folder))


def measure(records: Records, patients: int, each: int, folder: Path) -> None:
    """Import, query, back up; print."""
    made = list(films(patients, each))
    wall, processor = time.perf_counter(), time.process_time()
    report = import_films(records, made, source="benchmark")
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    rules = RuleSet()

    def timeline(number: int) -> None:
        key = f"P{(number * 7919) % patients:06}"
        judge(read_timeline(records, key), ERRORS, rules)

    def ward(_: int) -> None:
        ward_overview(records, "geographic_extent", rules, ERRORS)

    rows = [
        ("import, scores a second (aim 5,000)", f"{report.scores / wall:,.0f}", f"{wall:.1f} s"),
        ("import, processor time of the client", "", f"{processor:.1f} s"),
        ("timeline, assessed, ms (aim 50)", *(f"{value:.1f}" for value in timed(timeline, 200))),
        ("ward overview, ms (aim 500)", *(f"{value:.0f}" for value in timed(ward, 9))),
        ("backup, s", f"{timed(lambda _: backup(records, folder / 'b.db'), 1)[0] / 1000:.1f}", ""),
    ]
    print(
        f"{records.engine.dialect.name}: {report.patients:,} patients, {report.films:,} films, "
        f"{report.scores:,} scores\n"
    )
    print(Table("", ("what", "median", "slowest"), tuple(rows)).markdown())


if __name__ == "__main__":
    main()
