"""Figure 8: time for a film and size of the weights."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import pneumoscore
from pneumoscore.radiograph.read import read_radiograph
from pneumoscore.severity.model import SeverityModel
from training.goals.figures import FigureResult, FigureRow

__all__ = ["cost_figure", "packaged_weights"]

_MILLISECONDS, _MEGABYTES = 40, 40
_RUNS = 60
_WEIGHTS = (".onnx", ".npz")


def packaged_weights() -> dict[str, int]:
    """Return the bytes of every file of weights in the package, by path below it."""
    root = Path(pneumoscore.__file__).parent
    return {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in sorted(root.rglob("*"))
        if path.suffix in _WEIGHTS
    }


def cost_figure(data: Path, model: str | None = None) -> FigureResult:
    """Figure 8: one thread's time from a read film to its score, and the weights' size.

    Processor time, which other programs on the machine do not lengthen much: of preparing the
    film, of all the networks it passes, and of the heads.
    """
    opened = SeverityModel.open(model, threads=1)
    times = []
    for path in sorted((data / "cohen94").iterdir())[:_RUNS]:
        film = read_radiograph(path)
        start = time.process_time()
        opened.score(film, force=True)
        times.append(1000 * (time.process_time() - start))
    middle, weights = float(np.median(times)), packaged_weights()
    total = sum(weights.values()) / 1e6
    return FigureResult(
        8,
        (
            FigureRow(
                f"processor time of one thread, read film to score, median of {len(times)}: ms",
                f"{middle:.1f}",
                f"<= {_MILLISECONDS}",
                middle <= _MILLISECONDS,
            ),
            FigureRow(
                f"all weights in the package ({len(weights)} files): MB",
                f"{total:.1f}",
                f"<= {_MEGABYTES}",
                total <= _MEGABYTES,
            ),
        ),
        {"milliseconds": times, "weights": weights},
    )
