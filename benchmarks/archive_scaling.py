"""What a second core brings: an archive scored by one worker on one core, and by two on two.

Each run is a whole ``pneumoscore archive run`` into an empty folder, kept to one core or two with
all that it starts. ``processes`` is the engine of one machine, ``parts`` are runs side by side of
which each has its core and its ``--part``, ``ray`` are actors. Rates leave the start out: they
are those after the first part that is written, or, where workers write or hand back a part each,
after as many parts as there are workers. Ray's actors hand back as many films at once as a part
has rows: give some twenty times as many films. Efficiency is the rate on two cores
over twice that on one. Linux only. Example:

    python benchmarks/archive_films.py /tmp/films --small 2000
    python benchmarks/archive_scaling.py /tmp/films/small
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

COMMAND = [sys.executable, "-c", "from pneumoscore.cli import main; raise SystemExit(main())"]
ROWS = {"processes": 25, "parts": 25, "ray": 64}
ENGINES = ("processes", "parts", "ray")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="films")
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=ENGINES)
    options = parser.parse_args(argv)
    films = sorted(path for path in options.folder.rglob("*") if path.is_file())[: options.films]
    print("| engine | 1 core, films/s | 2 cores, films/s | efficiency |\n|---|---|---|---|")
    for engine in options.engine:
        one, two = (rate(films, engine, workers) for workers in (1, 2))
        print(f"| {engine} | {one:.2f} | {two:.2f} | {two / one / 2:.2f} |", flush=True)
    return 0


def rate(films: Sequence[Path], engine: str, workers: int) -> float:
    """Return films a second of so many workers on as many cores."""
    listed = "\0".join(map(str, films)).encode()
    cores = sorted(os.sched_getaffinity(0))[:workers]
    with tempfile.TemporaryDirectory() as folder:
        run = [*COMMAND, "archive", "run", "-", "--out", folder, "--force"]
        run += ["--rows", str(ROWS[engine]), "--format", "csv"]
        if engine == "parts":
            one = [*run, "--workers", "1", "--threads", "1", "--part"]
            shares = [
                ([*one, f"{number + 1}/{workers}"], {cores[number]}) for number in range(workers)
            ]
        else:
            count = str(workers)
            run += ["--engine", engine, "--workers", count, "--threads", count]
            shares = [(run, set(cores))]
        running = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                preexec_fn=functools.partial(os.sched_setaffinity, 0, kept),
            )
            for command, kept in shares
        ]
        for process in running:
            assert process.stdin is not None
            process.stdin.write(listed)
            process.stdin.close()
        if any(process.wait() for process in running):
            raise SystemExit("a run failed")
        parts = sorted(path.stat().st_mtime_ns for path in Path(folder, "parts").iterdir())
        began = 1 if engine == "processes" else workers
        seconds = (parts[-1] - parts[began - 1]) / 1e9
        reports = [json.loads(path.read_text()) for path in Path(folder).glob("run_report*.json")]
        scored = sum(report["counts"]["scored"] for report in reports)
    return (scored - began * ROWS[engine]) / seconds


if __name__ == "__main__":
    raise SystemExit(main())
