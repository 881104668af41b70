"""Kills, a full disk and a vanished source: the table must be that of an uninterrupted run.

Draws small films, scores them once without trouble, and then, into other folders,

- kills drivers and workers at random moments, ten times on this machine and ten times on a Ray
  cluster that is started here, and starts the run again whenever its driver is dead;
- fills the disk (a small file system in memory; needs the right to mount) and makes room again;
- takes the films away while they are scored and brings them back.

Each time the merged table must have the same rows, values to 1e-4, and the last run's report must
count as resumed what was kept. Ends with status 1 if not. Linux only. Example:

    python benchmarks/archive_kills.py --films 400 --kills 10

``-- --model FOLDER`` scores by another model: a small one makes it quick.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from archive_films import draw_jpeg
from pipeline_memory import descendants

COMMAND = [sys.executable, "-c", "from pneumoscore.cli import main; raise SystemExit(main())"]
ROWS = 8
_PATIENCE = 120.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each kind of trouble; 1 if a table differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=400)
    parser.add_argument("--kills", type=int, default=10, help="for each engine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", nargs="*", default=[], choices=["local", "ray", "disk", "source"])
    parser.add_argument("options", nargs="*", help="further options of the command, after --")
    options = parser.parse_args(argv)
    own = options.options
    good = True
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        films = place / "films"
        draw_jpeg(films, options.films, 128)
        finish(command(films, place / "whole", *own))
        whole = merged(place / "whole")
        troubles: dict[str, Callable[[], tuple[str, Path]]] = {
            "local": lambda: killed(films, place / "local", own, options.kills, options.seed),
            "ray": lambda: killed_on_ray(films, place / "ray", own, options.kills, options.seed),
            "disk": lambda: full_disk(films, place / "disk", own),
            "source": lambda: vanished(films, place / "source", own),
        }
        for trouble, run in troubles.items():
            if trouble in options.skip:
                continue
            words, out = run()
            problem = difference(merged(out), whole)
            good = good and problem is None
            print(f"{trouble}: {words}; {problem or 'the table is the same'}", flush=True)
    return 0 if good else 1


def command(films: Path, out: Path, *more: str) -> list[str]:
    """Return the command of a run."""
    run = [*COMMAND, "archive", "run", str(films), "--out", str(out), "--format", "csv"]
    return [*run, "--rows", str(ROWS), "--force", "--workers", "2", "--threads", "1", *more]


def finish(run: Sequence[str], status: int = 0) -> None:
    """Run a command to its end, which must be that of `status`."""
    done = subprocess.run(run, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != status:
        raise SystemExit(f"status {done.returncode}, not {status}: {done.stderr[-800:]}")


def killed(
    films: Path, out: Path, more: Sequence[str], kills: int, seed: int, victims: str = ""
) -> tuple[str, Path]:
    """Kill drivers and workers at random moments of one run that is always begun again.

    Parameters
    ----------
    films, out : Path
        What is scored, and where to.
    more : sequence of str
        Further options of the command.
    kills : int
        How many processes are killed; the folder is emptied whenever a run ends before.
    seed : int
        Of the chance.
    victims : str, optional
        How the command lines of the workers begin; by default they are the driver's children.

    Returns
    -------
    str
        What was killed, for people.
    Path
        The folder, finished.
    """
    chance, drivers, workers = random.Random(seed), 0, 0
    kept = resumed = 0
    while True:
        run = command(films, out, *more)
        with subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while drivers + workers < kills and _works(process, out, chance.uniform(0.0, 0.6)):
                if chance.random() < 0.5:
                    process.kill()
                    drivers += 1
                else:
                    workers += _kill_one(process.pid, victims, chance)
            status = process.wait()
        if status == 0:
            resumed = report(out)["resumed"]
            if resumed != kept:
                raise SystemExit(f"{resumed} films resumed, {kept} were kept")
            if drivers + workers >= kills:
                break
            for path in out.glob("parts/*"):
                path.unlink()
            kept = 0
        elif status != -signal.SIGKILL:
            raise SystemExit(f"status {status}")
        else:
            kept = rows(out)
    return f"{drivers} drivers and {workers} workers killed, {resumed} films resumed at last", out


def _works(process: subprocess.Popen[bytes], out: Path, longer: float) -> bool:
    """Wait until the run writes a part, and a little longer; False if it ended."""
    before, end = rows(out), time.monotonic() + _PATIENCE
    while process.poll() is None and rows(out) <= before:
        if time.monotonic() > end:
            raise SystemExit("the run does nothing")
        time.sleep(0.01)
    time.sleep(longer)
    return process.poll() is None


def _kill_one(driver: int, victims: str, chance: random.Random) -> int:
    if victims:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if path.read_bytes().startswith(victims.encode()):
                    found.append(int(path.parent.name))
    else:
        found = descendants(driver)[1:]
    if not found:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(sorted(found)), signal.SIGKILL)
        return 1
    return 0


def killed_on_ray(
    films: Path, out: Path, more: Sequence[str], kills: int, seed: int
) -> tuple[str, Path]:
    """Do so on a cluster of two processors that outlives the drivers."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        address = ray.get_runtime_context().gcs_address
        cluster = ["--engine", "ray", "--address", address]
        return killed(films, out, [*more, *cluster], kills, seed, victims="ray::_Scorer")
    finally:
        ray.shutdown()


def full_disk(films: Path, out: Path, more: Sequence[str]) -> tuple[str, Path]:
    """Let a run end on a full file system, make room, and run it again."""
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k,mode=700", "tmpfs", str(out)]
    if subprocess.run(mount, capture_output=True).returncode:
        raise SystemExit("no right to mount a file system; give --skip disk")
    try:
        finish(command(films, out, *more), status=3)
        kept = rows(out)
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        finish(command(films, out, *more))
        found = report(out)["resumed"]
        copy = out.with_name("room")
        subprocess.run(["cp", "-r", str(out), str(copy)], check=True)
    finally:
        subprocess.run(["umount", str(out)], check=True)
    if found != kept or not kept:
        raise SystemExit(f"{found} films resumed, {kept} were kept")
    return f"disk full after {kept} films, {found} resumed", copy


def vanished(films: Path, out: Path, more: Sequence[str]) -> tuple[str, Path]:
    """Take the films away while they are scored, and bring them back."""
    away = films.with_name("away")
    with subprocess.Popen(
        command(films, out, *more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        if not _works(process, out, 0.5):
            raise SystemExit("the run ended too early")
        films.rename(away)
        status = process.wait()
    kept = report(out)["scored"]
    away.rename(films)
    finish(command(films, out, *more))
    found = report(out)["resumed"]
    if status != 1 or found != kept:
        raise SystemExit(f"status {status}; {found} films resumed, {kept} were kept")
    return f"films gone after {kept}, {found} resumed", out


def report(out: Path) -> dict[str, int]:
    """Return the counts of the last run."""
    counts: dict[str, int] = json.loads((out / "run_report.json").read_text())["counts"]
    return counts


def rows(out: Path) -> int:
    """Return how many rows the parts hold."""
    count = 0
    for path in out.glob("parts/[0-9]*"):
        with contextlib.suppress(OSError), path.open(newline="") as stream:
            count += sum(1 for _ in csv.DictReader(stream))
    return count


def merged(out: Path) -> list[dict[str, str]]:
    """Return the merged table."""
    table = out / "merged.csv"
    finish([*COMMAND, "archive", "merge", str(out), "-o", str(table)])
    with table.open(newline="") as stream:
        return list(csv.DictReader(stream))


def difference(found: list[dict[str, str]], expected: list[dict[str, str]]) -> str | None:
    """Say where two tables differ; None if nowhere."""
    if len(found) != len(expected):
        return f"{len(found)} rows, not {len(expected)}"
    for row, other in zip(found, expected, strict=True):
        for name, value in other.items():
            same = row[name] == value
            with contextlib.suppress(ValueError):
                same = same or abs(float(row[name]) - float(value)) <= 1.01e-4
            if not same:
                return f"{row['file']}: {name} is {row[name]}, not {value}"
    return None


if __name__ == "__main__":
    raise SystemExit(main())
