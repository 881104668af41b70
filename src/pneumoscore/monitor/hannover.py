"""The Hannover stays: what their table says of admission, intensive care and death."""

from __future__ import annotations

from pathlib import Path

from pneumoscore.cohort.parsing import parse_number
from pneumoscore.cohort.tables import Row, read_table
from pneumoscore.records.days import time_of_day
from pneumoscore.records.types import EventRecord

__all__ = ["EVENT_COLUMNS", "event_day", "hannover_events", "hannover_rows"]

EVENT_COLUMNS = {
    "icu_admission": "icu_admission_offset",
    "icu_discharge": "icu_release_offset",
    "death": "death_offset",
}


def hannover_rows(data: Path) -> dict[str, Row]:
    """Return the rows of ``hannover.csv`` by file name."""
    return {f"{row['image_id']}.jpg": row for row in read_table(data / "hannover.csv")}


def event_day(row: Row, name: str) -> float | None:
    """Return the day of something after admission; the table counts from the film."""
    admission, offset = parse_number(row["admission_offset"]), parse_number(row.get(name))
    return None if admission is None or offset is None else offset - admission


def hannover_events(data: Path) -> list[EventRecord]:
    """Return the events of the Hannover stays for the records, each once."""
    found: dict[tuple[str, str, float], EventRecord] = {}
    for row in hannover_rows(data).values():
        patient = f"hannover-{row['patient_id']}"
        days = {kind: event_day(row, column) for kind, column in EVENT_COLUMNS.items()}
        for kind, day in {"admission": 0.0, **days}.items():
            if day is not None:
                found[patient, kind, day] = EventRecord(patient, kind, time_of_day(day))
    return list(found.values())
