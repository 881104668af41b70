"""Feed damaged radiographs to the readers and count what becomes of them.

Every mutant is made from real films (``../shared/data``, or a synthetic film without them) in
every raster format and DICOM transfer syntax, by bit flips, truncation, edited headers, spliced
and corrupted lengths. Each is read in a worker process. Counted are: read, refused by class of
error; and what must not happen: crashed, hung (over 2 s of processor time), escaped (another
exception), noisy (a warning or a line on the standard error), fat (over the memory bound).

    python benchmarks/fuzz_readers.py --mutants 5000
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radiograph_files import SYNTAXES, dicom_file, png_file, raster_file, synthetic_film

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDE = 224
SECONDS = 2.0
BAD = ("crashed", "hung", "escaped", "noisy", "fat")

Mutator = Callable[[bytearray, np.random.Generator], None]


def films(count: int) -> list[NDArray[np.uint8]]:
    """Return small real films, or a synthetic one where there are none."""
    paths = sorted((DATA / "scored").glob("*.jpg"))[:: max(1, 200 // count)][:count]
    if not paths:
        return [synthetic_film(SIDE, SIDE - 30).astype(np.uint8)]
    small = []
    for path in paths:
        with Image.open(path) as image:
            image.thumbnail((SIDE, SIDE))
            small.append(np.asarray(image.convert("L")))
    return small


def _raster_seeds(film: NDArray[np.uint8]) -> list[tuple[str, bytes]]:
    deep = film.astype(np.uint16) * 257
    colour = np.stack([film, film, 255 - film // 2], axis=-1)
    alpha = np.dstack([colour, np.full_like(film, 200)])
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = BytesIO()
    Image.fromarray(film).convert("P").save(palette, "PNG", transparency=3)
    cmyk = BytesIO()
    Image.fromarray(colour).convert("CMYK").save(cmyk, "JPEG")
    bilevel = BytesIO()
    Image.fromarray(film).convert("1").save(bilevel, "PNG")
    seeds = [
        ("png", raster_file(film, "PNG")),
        ("png 16", raster_file(deep, "PNG")),
        ("png rgba", raster_file(alpha, "PNG")),
        ("png rgb 16", png_file(colour.astype(np.uint16) * 257, 2)),
        ("png palette", palette.getvalue()),
        ("png 1", bilevel.getvalue()),
        ("jpeg", raster_file(film, "JPEG", exif=exif)),
        ("jpeg rgb", raster_file(colour, "JPEG")),
        ("jpeg progressive", raster_file(colour, "JPEG", progressive=True)),
        ("jpeg cmyk", cmyk.getvalue()),
        ("webp", raster_file(colour, "WEBP")),
        ("webp lossy", raster_file(colour, "WEBP", lossless=False)),
        ("bmp", raster_file(film, "BMP")),
        ("bmp rgb", raster_file(colour, "BMP")),
        ("jp2", raster_file(deep, "JPEG2000")),
        ("tiff 16", raster_file(deep, "TIFF")),
        ("tiff float", raster_file(film.astype(np.float32) / 255, "TIFF")),
    ]
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        seeds.append((f"tiff {compression}", raster_file(colour, "TIFF", compression=compression)))
    return seeds


def _dicom_seeds(film: NDArray[np.uint8]) -> list[tuple[str, bytes]]:
    deep = film.astype(np.uint16) * 16
    window = {"WindowCenter": 2048, "WindowWidth": 3000, "RescaleSlope": 2, "RescaleIntercept": -9}
    seeds = []
    for name in SYNTAXES:
        seeds.append((f"dicom {name}", dicom_file(film, name)))
        if name != "JPEG baseline":
            seeds.append((f"dicom {name} 12", dicom_file(deep, name, bits_stored=12, **window)))
    colour = np.stack([film, film, film // 2], axis=-1)
    seeds.append(("dicom rgb", dicom_file(colour)))
    seeds.append(("dicom rgb rle", dicom_file(colour, "RLE")))
    seeds.append(("dicom rgb jpeg", dicom_file(colour, "JPEG baseline")))
    seeds.append(("dicom bare", dicom_file(film, "implicit", preamble=False)))
    return seeds


def seeds(count: int = 3) -> list[tuple[str, bytes]]:
    """Return named, whole files of every kind."""
    return [seed for film in films(count) for seed in _raster_seeds(film) + _dicom_seeds(film)]


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(len(data), size=int(rng.integers(1, 64))):
        data[position] ^= 1 << int(rng.integers(8))


def _flip_header(data: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(min(len(data), 1024), size=int(rng.integers(1, 8))):
        data[position] ^= 1 << int(rng.integers(8))


def _truncate(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data))) :]


def _extreme(data: bytearray, rng: np.random.Generator) -> None:
    """Overwrite a field in the header with an extreme number."""
    form = "<>"[int(rng.integers(2))] + "HI"[int(rng.integers(2))]
    top = 2 ** (8 * struct.calcsize(form)) - 1
    number = int(rng.choice([0, 1, 2, top // 2, top // 2 + 1, top - 1, top]))
    start = int(rng.integers(min(len(data), 2048) - 4))
    struct.pack_into(form, data, start, number)


def _splice(data: bytearray, rng: np.random.Generator) -> None:
    """Copy a piece of the file over another place."""
    length = int(rng.integers(1, max(2, min(4096, len(data) // 2))))
    source, target = (int(rng.integers(len(data) - length)) for _ in range(2))
    data[target : target + length] = data[source : source + length]


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 256))]


def _insert(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    data[start:start] = rng.bytes(int(rng.integers(1, 256)))


def _length(data: bytearray, rng: np.random.Generator) -> None:
    """Corrupt a length behind a marker of the format."""
    markers = (b"\xff", b"(\x00", b"\xe0\x7f\x10\x00", b"\xfe\xff", b"IDAT", b"IHDR", b"VP8")
    marker = markers[int(rng.integers(len(markers)))]
    position = data.find(marker, int(rng.integers(min(len(data), 1500))))
    if 0 <= position < len(data) - 12:
        start = position + len(marker) + int(rng.integers(6))
        data[start : start + 4] = rng.bytes(4)


def _pixel_module(data: bytearray, rng: np.random.Generator) -> None:
    """Edit an element of the Image Pixel module, or an edit of the header elsewhere."""
    element = int(rng.choice([0x02, 0x04, 0x06, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103]))
    position = data.find(struct.pack("<HH", 0x0028, element))
    if position < 0:
        _extreme(data, rng)
    else:
        struct.pack_into("<H", data, position + 8, int(rng.choice([0, 1, 3, 7, 12, 400, 65535])))


MUTATORS: tuple[Mutator, ...] = (
    _flip,
    _flip_header,
    _truncate,
    _extreme,
    _splice,
    _cut,
    _insert,
    _length,
    _pixel_module,
)


def mutant(files: Sequence[tuple[str, bytes]], index: int, seed: int) -> tuple[str, bytes]:
    """Return mutant number `index`: always the same for the same files and seed."""
    rng = np.random.default_rng((seed, index))
    name, whole = files[index % len(files)]
    data = bytearray(whole)
    steps = []
    for _ in range(int(rng.integers(1, 4))):
        mutate = MUTATORS[int(rng.integers(len(MUTATORS)))]
        if len(data) > 16:
            mutate(data, rng)
        steps.append(mutate.__name__.strip("_"))
    return f"{name}: {', '.join(steps)}", bytes(data)


def outcome(data: bytes) -> str:
    """Read one file and name what became of it."""
    from pneumoscore.errors import PneumoScoreError
    from pneumoscore.radiograph import read_radiograph

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read_radiograph(data)
            result = "read"
        except PneumoScoreError as error:
            one_line = "\n" not in str(error)
            result = type(error).__name__ if one_line else "escaped message of several lines"
        except Exception as error:
            result = f"escaped {type(error).__name__}: {error}"
    return f"noisy {caught[0].message}" if caught else result


def _work(pipe: Connection, files: Sequence[tuple[str, bytes]], seed: int) -> None:
    """Answer indices with outcome, processor seconds and the memory added so far in bytes.

    A forked process begins with the memory of the one that started it, which is not the
    readers' doing.
    """
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)
        while (index := pipe.recv()) is not None:
            data = mutant(files, index, seed)[1]
            start = time.process_time()
            result = outcome(data)
            seconds = time.process_time() - start
            sys.stderr.flush()
            if noise.seek(0, os.SEEK_END):
                noise.seek(0)
                result = f"noisy {noise.read(200)!r}"
                noise.seek(0)
                noise.truncate()
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak = (most - inherited) * 1024
            pipe.send((result, seconds, peak))


@dataclass
class Tally:
    """What became of the mutants.

    Attributes
    ----------
    counts : Counter of str
        By outcome.
    bad : list of str
        Mutants with an outcome that must not happen.
    slowest, peak : float
        Processor seconds, and bytes added.
    """

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest: float = 0.0
    slowest_name: str = ""
    peak: float = 0.0


def _start(
    files: Sequence[tuple[str, bytes]], seed: int
) -> tuple[multiprocessing.Process, Connection]:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, files, seed), daemon=True)
    process.start()
    there.close()
    return process, here


def fuzz(
    files: Sequence[tuple[str, bytes]], mutants: int, seed: int, memory: float, first: int = 0
) -> Tally:
    """Read mutants `first` to `first + mutants` of the files and tell what became of them."""
    tally = Tally()
    process, pipe = _start(files, seed)
    for index in range(first, first + mutants):
        pipe.send(index)
        seconds, result = 0.0, ""
        try:
            # Processor time is what counts; the wall clock only finds what never ends.
            if pipe.poll(30 * SECONDS):
                result, seconds, peak = pipe.recv()
                tally.peak = max(tally.peak, peak)
                if peak > memory:
                    result = f"fat {peak / 2**20:.0f} MiB"
            else:
                result = "hung"
        except EOFError:
            process.join()
            result = f"crashed with exit code {process.exitcode}"
        if seconds > SECONDS:
            result = f"hung {seconds:.1f} s"
        name = f"{index} {mutant(files, index, seed)[0]}"
        if seconds > tally.slowest:
            tally.slowest, tally.slowest_name = seconds, name
        kind = result.split()[0]
        tally.counts[kind] += 1
        if kind in BAD:
            tally.bad.append(f"{name}: {result}")
            process.kill()
            process.join()
            process, pipe = _start(files, seed)
    pipe.send(None)
    process.join()
    return tally


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print; 1 if anything happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="index of the first mutant")
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--memory", type=float, default=1.0, help="bound in GiB (default 1)")
    parser.add_argument("--only", default="", help="files whose name holds this: 'lossless'")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write mutant --first here")
    options = parser.parse_args(argv)
    files = [seed for seed in seeds() if options.only in seed[0]]
    if options.save:
        options.save.write_bytes(mutant(files, options.first, options.seed)[1])
        return 0
    start = time.perf_counter()
    tally = fuzz(files, options.mutants, options.seed, options.memory * 2**30, options.first)
    for name, count in tally.counts.most_common():
        print(f"{count:7d}  {name}")
    for name in BAD:
        if not tally.counts[name]:
            print(f"{0:7d}  {name}")
    print(f"slowest {tally.slowest:.2f} s of processor time ({tally.slowest_name})")
    print(f"peak memory {tally.peak / 2**20:.0f} MiB, {time.perf_counter() - start:.0f} s in all")
    for line in tally.bad:
        print(line)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
