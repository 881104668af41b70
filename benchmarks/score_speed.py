"""Speed and memory of scoring, beside the same job in PyTorch eager with scikit-image.

Prints a Markdown table with, for each of the two programs,

- the whole-process time of one film, from the shell to the printed score;
- films per second over a folder, whole process;
- the peak resident memory of both;

and how much longer the folder takes where an overlay of each film is drawn.

The other program reads with scikit-image, crops and resizes with scikit-image as
torchxrayvision's examples do, and runs a DenseNet-121 of the published architecture in PyTorch
eager mode. Its weights are random, which changes nothing in its speed. Runs of the two programs
alternate, the first of each is thrown away, and medians are shown.

Needs the extras ``train`` and ``benchmark``:
``python benchmarks/score_speed.py --films ../shared/data/cohen94``.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Nothing large is imported here: Linux counts the memory of the process that starts another
# into the peak of the other.

SIZE = 224
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}


@dataclass(frozen=True)
class Run:
    """One run of a program: wall seconds and peak resident memory in MB."""

    seconds: float
    megabytes: float


def measure(command: list[str], threads: int) -> Run:
    """Run a command to its end, its output thrown away, and say what it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[:4]} ended with status {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1000.0)


def medians(runs: list[Run]) -> Run:
    """Return the median time and the largest memory."""
    return Run(statistics.median(run.seconds for run in runs), max(run.megabytes for run in runs))


def compare(ours: list[str], theirs: list[str], repeats: int, threads: int) -> tuple[Run, Run]:
    """Measure two commands in turn, after one unmeasured run of each."""
    runs: tuple[list[Run], list[Run]] = ([], [])
    for turn in range(repeats + 1):
        for command, kept in zip((ours, theirs), runs, strict=True):
            run = measure(command, threads)
            if turn > 0:
                kept.append(run)
    return medians(runs[0]), medians(runs[1])


def score_with_pytorch(weights: Path, films: list[Path], threads: int, batch: int) -> None:
    """Be the other program: read, crop, resize, run DenseNet-121 and print a logit each."""
    import numpy as np
    import torch
    from skimage.color import rgb2gray, rgba2rgb
    from skimage.io import imread
    from skimage.transform import resize
    from skimage.util import img_as_float

    from densenet_torch import DenseNet121

    torch.set_num_threads(threads)
    network = DenseNet121()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()

    def prepared(film: Path) -> np.ndarray:
        pixels = imread(film)
        if pixels.ndim == 3:
            pixels = rgb2gray(rgba2rgb(pixels) if pixels.shape[2] == 4 else pixels)
        pixels = img_as_float(pixels)
        side = min(pixels.shape)
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        square = pixels[top : top + side, left : left + side]
        small = resize(square, (SIZE, SIZE), preserve_range=True)
        return (2.0 * small[None].astype(np.float32) - 1.0) * 1024.0

    with torch.inference_mode():
        for start in range(0, len(films), batch):
            group = films[start : start + batch]
            logits = network(torch.from_numpy(np.stack([prepared(film) for film in group])))
            for film, values in zip(group, logits, strict=True):
                print(film.name, *(f"{float(value):.3f}" for value in values))


def write_random_weights(path: Path) -> None:
    """Write a checkpoint of the reference network, in a process of its own."""
    code = (
        "import sys, torch; from densenet_torch import DenseNet121; "
        "torch.manual_seed(0); torch.save(DenseNet121().state_dict(), sys.argv[1])"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=here)


def row(
    name: str, ours: float, theirs: float, unit: str, higher_is_better: bool
) -> tuple[str, ...]:
    """Return one line of the table."""
    ratio = ours / theirs if higher_is_better else theirs / ours
    word = {"s": "as fast", "films/s": "as many", "MB": "as small"}[unit]
    return name, f"{ours:.2f} {unit}", f"{theirs:.2f} {unit}", f"{ratio:.1f} x {word}"


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cohen94"))
    parser.add_argument("--model", help="severity model; by default the built-in one")
    parser.add_argument("--repeats", type=int, default=5, help="measured runs of one film")
    parser.add_argument("--folder-repeats", type=int, default=3, help="of the whole folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, default=8, help="films at once in PyTorch")
    parser.add_argument("--reference", nargs="+", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    if options.reference:
        weights, *films = options.reference
        score_with_pytorch(weights, films, options.threads, options.batch)
        return 0
    films = sorted(p for p in options.films.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not films:
        print(f"error: no films in {options.films}", file=sys.stderr)
        return 3
    one = films[len(films) // 2]
    threads = ["--threads", str(options.threads)]
    ours = [str(Path(sys.executable).with_name("pneumoscore")), "score", "--json", "--force"]
    ours += [*threads, *(["--model", options.model] if options.model else [])]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "densenet121.pt"
        write_random_weights(weights)
        theirs = [sys.executable, __file__, *threads, "--batch", str(options.batch)]
        theirs += ["--reference", str(weights)]
        single = compare([*ours, str(one)], [*theirs, str(one)], options.repeats, options.threads)
        names = [str(film) for film in films]
        many = compare([*ours, *names], [*theirs, *names], options.folder_repeats, options.threads)
        drawn = [*ours, "--overlay", f"{folder}/overlays", "--overwrite", *names]
        drawing = compare(drawn, [*ours, *names], options.folder_repeats, options.threads)
    print(f"{platform.machine()}, {options.threads} threads, Python {platform.python_version()};")
    print(f"medians of {options.repeats} and {options.folder_repeats} runs.\n")
    rates = [len(films) / run.seconds for run in many]
    memory = [[run.megabytes for run in runs] for runs in (single, many)]
    rows = (
        row("one film, whole process", single[0].seconds, single[1].seconds, "s", False),
        row(f"{len(films)} films, whole process", rates[0], rates[1], "films/s", True),
        row("peak memory, one film", memory[0][0], memory[0][1], "MB", False),
        row(f"peak memory, {len(films)} films", memory[1][0], memory[1][1], "MB", False),
    )
    from pneumoscore.present.table import Table

    header = ("job", "PneumoScore", "PyTorch eager, DenseNet-121, scikit-image", "ratio")
    print(Table("", header, rows).markdown())
    times = drawing[0].seconds / drawing[1].seconds
    print(f"With an overlay of each, {len(films)} films take {times:.1f} times as long.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
