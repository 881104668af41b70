"""A process that imports films and says what was acknowledged: run by the robustness tests.

Usage: python writer.py PLACE PATIENT FILMS BATCH [LIMIT_BYTES]
"""

from __future__ import annotations

import resource
import signal
import sys
from datetime import datetime, timedelta

from pneumoscore.records.database import Records
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.types import FilmRecord, ScaleValue
from pneumoscore.records.writing import import_films
from pneumoscore.severity.score import ModelIdentity

MODEL = ModelIdentity("tiny", "1", "backbone 1", "a" * 64)


def main(place: str, patient: str, films: int, batch: int, limit: int = 0) -> int:
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails with EFBIG instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    records = (
        FilmRecord(
            patient,
            f"{patient}.{number}",
            f"s.{patient}.{number}",
            datetime(2026, 1, 1) + timedelta(hours=number),
            MODEL,
            (ScaleValue("geographic_extent", 3.0, 3.0), ScaleValue("opacity", 2.0, 2.0)),
        )
        for number in range(films)
    )
    try:
        with Records.open(place) as opened:
            import_films(
                opened,
                records,
                source="writer",
                batch=batch,
                acknowledge=lambda report: print(report.films, flush=True),
            )
    except RecordsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    place, patient, *numbers = sys.argv[1:]
    sys.exit(main(place, patient, *map(int, numbers)))
