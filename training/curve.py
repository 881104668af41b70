"""The training log as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["draw_curve"]


def draw_curve(log: Path, picture: Path) -> None:
    """Draw every part of the loss over the steps of a training log.

    Parameters
    ----------
    log : Path
        ``log.csv`` of a run.
    picture : Path
        PNG to write.
    """
    from matplotlib.figure import Figure

    with log.open(newline="", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    if not rows:
        return
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    steps = [row["step"] for row in rows]
    for name in rows[0]:
        if name != "step":
            axes.plot(steps, [row[name] for row in rows], label=name, linewidth=1)
    axes.set_xlabel("batches")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend()
    figure.savefig(picture, dpi=110)
