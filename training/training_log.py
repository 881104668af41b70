"""The log of a training run: one CSV line for each tenth batch."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["append_line", "averaged_parts", "truncate_log"]


def append_line(path: Path, values: dict[str, float | int]) -> None:
    """Add a line to a log; the first line brings the header."""
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(values))
        if new:
            writer.writeheader()
        writer.writerow(values)


def truncate_log(path: Path, step: int) -> None:
    """Drop lines after the checkpoint, so that a resumed run logs each batch once."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = lines[:1] + [line for line in lines[1:] if int(line.split(",")[0]) <= step]
    path.write_text("".join(kept), encoding="utf-8")


def averaged_parts(window: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each part of the loss over some batches."""
    return {key: sum(part[key] for part in window) / len(window) for key in window[0]}
