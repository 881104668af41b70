"""Films to measure with: large DX films in any transfer syntax, and many small distinct ones.

As a program it draws them into folders, which the other benchmarks then take:

    python benchmarks/archive_films.py /tmp/films --large 100 --small 2000 --tiny 20000
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pneumoscore.phantom import LungDisease, PhantomSpec, render_phantom
from radiograph_files import dicom_file

LARGE = {
    "uncompressed": "explicit",
    "jpeg-lossless": "JPEG lossless SV1",
    "jpeg2000": "JPEG 2000 lossless",
}
ROWS, COLUMNS = 3000, 2500
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096, "PatientOrientation": ["L", "F"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Draw what is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--large", type=int, default=0, help="DX films, in each of three syntaxes")
    parser.add_argument("--small", type=int, default=0, help="JPEG films of 512 pixels")
    parser.add_argument("--tiny", type=int, default=0, help="JPEG films of 128 pixels")
    options = parser.parse_args(argv)
    draw_large(options.folder, options.large)
    draw_jpeg(options.folder / "small", options.small, 512)
    draw_jpeg(options.folder / "tiny", options.tiny, 128)
    return 0


def phantoms(size: int, count: int = 10) -> list[NDArray[np.float32]]:
    """Return phantoms of different people and diseases."""
    found = []
    for seed in range(count):
        right, left = LungDisease(seed / 12, 0.4), LungDisease(0.6 - seed / 20, 0.5)
        found.append(render_phantom(PhantomSpec(right, left, seed=seed, size=size)).pixels)
    return found


def draw_large(folder: Path, count: int) -> None:
    """Write DX films of 2,500 x 3,000 pixels and 12 bits: phantoms, each with its own noise."""
    base = phantoms(640) if count else []
    for number in range(count):
        paths = {kind: folder / kind / f"{number:04d}.dcm" for kind in LARGE}
        if all(path.exists() for path in paths.values()):
            continue
        random = np.random.default_rng(number)
        image = Image.fromarray(base[number % len(base)]).resize((COLUMNS, ROWS), 3)
        noise = random.standard_normal((ROWS, COLUMNS), dtype=np.float32) * 12
        pixels = np.clip(np.asarray(image) * 4000 + noise, 0, 4095).astype(np.uint16)
        for kind, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            data = dicom_file(pixels, LARGE[kind], bits_stored=12, **WINDOW)
            path.with_suffix(".part").write_bytes(data)
            path.with_suffix(".part").rename(path)


def draw_jpeg(folder: Path, count: int, side: int) -> None:
    """Write distinct 8-bit JPEG films, a thousand in a folder."""
    base = phantoms(side) if count else []
    for number in range(count):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(number)
        film = np.roll(base[number % len(base)], random.integers(-3, 4, 2), (0, 1))
        grain = random.standard_normal(film.shape, dtype=np.float32) * 0.02
        levels = np.clip((film + grain) * 255, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(path, "JPEG", quality=85)


if __name__ == "__main__":
    raise SystemExit(main())
