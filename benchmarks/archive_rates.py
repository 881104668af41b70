"""Films a second of an archive run, beside the usual way and beside the floor.

Three sides, each in a process of its own, over the same films again and again until the time is
over; imports and the opening of models are not counted, the starting of readers is:

- ``ours``: the job of `pneumoscore archive run`, with its hashes, index and Parquet parts, as if
  every film were new;
- ``usual``: torchxrayvision's way in one process with all cores: pydicom or scikit-image, its
  centre crop and its resizing by scikit-image, a DenseNet-121 in eager PyTorch, eight films at
  once. The weights are random, which changes nothing in its speed;
- ``floor``: the fastest exact decoding of all pixels that is installed, and the network alone on
  an array that was prepared before, a thread for each core.

Rates are films by wall time, and by the processor seconds of all processes. Needs the extras
``archive``, ``fast``, ``train`` and ``benchmark``. Example:

    python benchmarks/archive_films.py /tmp/films --large 100 --small 2000
    python benchmarks/archive_rates.py /tmp/films/uncompressed --seconds 60
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDES = ("ours", "usual", "floor")
SIZE = 224


def main(argv: Sequence[str] | None = None) -> int:
    """Print a Markdown line for each set of films."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="a set of films each")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each side")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.side:
        films = sorted(path for path in options.folders[0].rglob("*") if path.is_file())
        side = {"ours": ours, "usual": usual, "floor": floor}[options.side]
        print(json.dumps(side(films, options.seconds, options.workers)))
        return 0
    heads = [f"{side}, films/s (CPU ms a film)" for side in options.sides]
    print("|", " | ".join(["films", *heads, "ours / usual", "floor / ours"]), "|")
    print("|" + "---|" * (len(options.sides) + 3))
    for folder in options.folders:
        found = {side: measured(folder, side, options) for side in options.sides}
        rates = {side: item["films"] / item["seconds"] for side, item in found.items()}
        cells = [
            f"{rates[side]:.2f} ({1e3 * item['cpu'] / item['films']:.0f})"
            for side, item in found.items()
        ]
        ratios = [
            f"{rates[one] / rates[other]:.2f}" if {one, other} <= set(rates) else "-"
            for one, other in (("ours", "usual"), ("floor", "ours"))
        ]
        print("|", " | ".join([folder.name, *cells, *ratios]), "|", flush=True)
    return 0


def measured(folder: Path, side: str, options: argparse.Namespace) -> dict[str, float]:
    """Run a side in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--side", side]
    command += ["--seconds", str(options.seconds), "--workers", str(options.workers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def within(films: Sequence[Path], seconds: float) -> Iterator[Path]:
    """Yield the films over and over until the time is over."""
    end = time.monotonic() + seconds
    for film in itertools.cycle(films):
        if time.monotonic() >= end:
            return
        yield film


def taken(began: float, before: float, films: int) -> dict[str, float]:
    """Return what a side prints."""
    return {"films": films, "seconds": time.monotonic() - began, "cpu": cpu() - before}


def cpu() -> float:
    """Return the processor seconds of this process and of all that ended below it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def ours(films: Sequence[Path], seconds: float, workers: int) -> dict[str, float]:
    """Score films as `pneumoscore archive run` does."""
    from pneumoscore.pipeline.archive.index import RowIndex
    from pneumoscore.pipeline.archive.sink import ArchiveParts
    from pneumoscore.pipeline.archive.store import open_store
    from pneumoscore.pipeline.engines.processes import Processes
    from pneumoscore.pipeline.job import run_job
    from pneumoscore.pipeline.options import ScoringOptions
    from pneumoscore.pipeline.walk import Found
    from pneumoscore.severity.model import SeverityModel

    model = SeverityModel.open(threads=1)
    options = ScoringOptions(content=True, force=True, batch=1)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        index = RowIndex(store)
        parts = ArchiveParts(store, index, "parquet", True, 256)
        began, before = time.monotonic(), cpu()

        def new(content: str) -> bool:
            index.by_content(content)
            return False

        report = run_job(
            map(Found, within(films, seconds)),
            model,
            options,
            [parts],
            engine=Processes(workers, workers),
            known=new,
        )
        result = taken(began, before, report.scored)
        index.close()
    if report.failed:
        raise SystemExit(f"{report.failed} films failed: {dict(report.reasons)}")
    return result


def usual(films: Sequence[Path], seconds: float, workers: int) -> dict[str, float]:
    """Score films one batch after the other, as torchxrayvision's examples do."""
    import torch
    from skimage.transform import resize

    from densenet_torch import DenseNet121

    torch.set_num_threads(workers)
    torch.manual_seed(0)
    network = DenseNet121().eval()
    resize(read_usual(films[0]), (8, 8))  # imports
    began, before, count = time.monotonic(), cpu(), 0
    with torch.inference_mode():
        given = within(films, seconds)
        while batch := list(itertools.islice(given, 8)):
            arrays = []
            for film in batch:
                pixels = read_usual(film)
                side = min(pixels.shape)
                top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
                square = pixels[top : top + side, left : left + side]
                small = resize(square, (SIZE, SIZE), mode="constant", preserve_range=True)
                arrays.append(small[None].astype(np.float32))
            network(torch.from_numpy(np.stack(arrays))).numpy()
            count += len(batch)
    return taken(began, before, count)


def read_usual(film: Path) -> NDArray[np.float32]:
    """Read a film into [-1024, 1024], as torchxrayvision does."""
    if film.suffix == ".dcm":
        from pydicom import dcmread

        dataset = dcmread(film)
        pixels = dataset.pixel_array.astype(np.float32)
        most = 2**dataset.BitsStored - 1
    else:
        from skimage.io import imread

        image = imread(film)
        most = np.iinfo(image.dtype).max
        pixels = image.astype(np.float32)
        if pixels.ndim == 3:
            pixels = pixels[..., :3].mean(2)
    return (2 * (pixels / most) - 1) * 1024


def floor(films: Sequence[Path], seconds: float, workers: int) -> dict[str, float]:
    """Decode whole films and run the network on an array that has nothing to do with them."""
    from pneumoscore.backbone.session import Backbone

    backbone = Backbone.open("severity", threads=1)
    size = backbone.record.input.size
    array = np.random.default_rng(0).standard_normal((1, 1, size, size)).astype(np.float32)

    def one(film: Path) -> None:
        decode(film)
        backbone.run(array)

    decode(films[0])
    began, before, count = time.monotonic(), cpu(), 0
    with ThreadPoolExecutor(workers) as pool:
        given = within(films, seconds)
        while chunk := list(itertools.islice(given, 4 * workers)):
            count += sum(1 for _ in pool.map(one, chunk))
    return taken(began, before, count)


def decode(film: Path) -> NDArray[np.integer]:
    """Decode all pixels by the fastest decoder at hand."""
    import imagecodecs
    from PIL import Image

    data = film.read_bytes()
    if film.suffix != ".dcm":
        return np.asarray(Image.open(BytesIO(data)))
    from pydicom import dcmread
    from pydicom.encaps import get_frame
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

    dataset = dcmread(BytesIO(data))
    syntax = dataset.file_meta.TransferSyntaxUID
    decoders: dict[str, Callable[[bytes], NDArray[np.integer]]] = {
        JPEGLosslessSV1: imagecodecs.jpeg8_decode,
        JPEG2000Lossless: imagecodecs.jpeg2k_decode,
    }
    if syntax in decoders:
        return decoders[syntax](get_frame(dataset.PixelData, 0, number_of_frames=1))
    return np.frombuffer(dataset.PixelData, np.uint16)


if __name__ == "__main__":
    raise SystemExit(main())
