"""Peak memory of an archive run over many films: PSS summed over the process tree.

Draws distinct films of 128 pixels (or takes a folder of them), runs ``pneumoscore archive run``
over the first so many, and samples ``/proc/PID/smaps_rollup`` of the command and all its
children. With ``--command score`` it is ``pneumoscore score --csv``. Linux only. Example:

    python benchmarks/pipeline_memory.py --counts 1 1000 20000
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-c", "from pneumoscore.cli import main; raise SystemExit(main())"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 1000, 20000])
    parser.add_argument("--films", type=Path, help="a folder of JPEG films that is there")
    parser.add_argument("--command", choices=["archive", "score"], default="archive")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two samples")
    parser.add_argument("options", nargs="*", help="further options of the command")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = options.films or folder / "films"
        if options.films is None:
            # Beside this script; other modules import what measures memory from here.
            from archive_films import draw_jpeg

            draw_jpeg(films, max(options.counts), 128)
        for count in options.counts:
            print(json.dumps(measure(films, folder, count, options)), flush=True)


def measure(
    films: Path, folder: Path, count: int, options: argparse.Namespace
) -> dict[str, object]:
    """Score `count` films; return the peak and how fast it went."""
    names = sorted(films.rglob("*.jpg"))[:count]
    listed = "\0".join(map(str, names)).encode()
    command = [*COMMAND, "score", "-", "--csv", str(folder / f"{count}.csv")]
    if options.command == "archive":
        command = [*COMMAND, "archive", "run", "-", "--out", str(folder / str(count))]
    command += ["--force", *options.options]
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
            time.sleep(options.every)
    seconds = time.monotonic() - began
    return {
        "films": len(names),
        "peak_pss_mb": round(peak / 1024, 1),
        "processes": most,
        "seconds": round(seconds, 2),
        "films_per_second": round(len(names) / seconds, 2),
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
