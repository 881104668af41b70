"""Peak memory of scoring many films: PSS summed over the process tree.

Draws distinct small films (a phantom with its own noise and shift, 8-bit JPEG), scores folders
of them with `pneumoscore score --csv`, and samples ``/proc/PID/smaps_rollup`` of the command
and all its children. Linux only. Example:

    python benchmarks/pipeline_memory.py --counts 1 500 5000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom

SIDE = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 500, 5000])
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two samples")
    parser.add_argument("options", nargs="*", help="further options of `pneumoscore score`")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder / "films", max(arguments.counts))
        for count in arguments.counts:
            print(json.dumps(measure(folder, count, arguments.every, arguments.options)))


def draw(folder: Path, count: int) -> None:
    """Write `count` distinct films, 1,000 in a folder."""
    sick = LungDisease(0.5, 0.4)
    base = render_phantom(PhantomSpec(sick, sick, seed=1, size=SIDE)).pixels
    random = np.random.default_rng(0)
    for number in range(count):
        grain = random.normal(scale=0.03, size=base.shape).astype(np.float32)
        moved = np.roll(base, random.integers(-8, 9, 2), (0, 1)) + grain
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.clip(moved * 255, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(path, quality=85)


def measure(folder: Path, count: int, every: float, options: list[str]) -> dict[str, object]:
    """Score `count` films; return the peak and how fast it went."""
    names = sorted((folder / "films").rglob("*.jpg"))[:count]
    listed = "\0".join(map(str, names)).encode()
    command = [sys.executable, "-c", "from pneumoscore.cli import main; raise SystemExit(main())"]
    command += ["score", "-", "--csv", str(folder / f"{count}.csv"), "--force", *options]
    began = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        process.stdin.write(listed)
        process.stdin.close()
        peak = most = 0
        while process.poll() is None:
            tree = descendants(process.pid)
            peak = max(peak, sum(map(pss, tree)))
            most = max(most, len(tree))
            time.sleep(every)
    seconds = time.monotonic() - began
    return {
        "films": count,
        "peak_pss_mb": round(peak / 1024, 1),
        "processes": most,
        "seconds": round(seconds, 2),
        "films_per_second": round(count / seconds, 2),
        "status": process.returncode,
    }


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started."""
    found, stack = [], [pid]
    while stack:
        here = stack.pop()
        found.append(here)
        for path in Path(f"/proc/{here}/task").glob("*/children"):
            try:
                stack += map(int, path.read_text().split())
            except OSError:
                continue
    return found


def pss(pid: int) -> int:
    """Return the proportional set size of a process, KiB; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
