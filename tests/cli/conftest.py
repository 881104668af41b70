"""A folder of films, good and bad, and the command line run in process."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cli import main


@dataclass(frozen=True)
class Outcome:
    """What one command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(int(status), out, err)

    return command


@pytest.fixture
def film(tmp_path: Path, tiny_model: ModuleType) -> Path:
    """One good film."""
    path = tmp_path / "film.png"
    write_film(path, tiny_model)
    return path


def write_film(path: Path, tiny_model: ModuleType, seed: int = 0) -> None:
    pixels = tiny_model.film(seed).pixels
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path, format="PNG")


def absurd_png() -> bytes:
    """A header that claims 60,000 x 60,000 pixels, and nothing behind it."""
    import zlib

    body = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.fixture
def bad_films(tmp_path: Path, film: Path) -> dict[str, Path]:
    """Files that cannot be scored, by what is wrong with them."""
    whole = film.read_bytes()
    contents = {
        "truncated.png": whole[: len(whole) // 2],
        "empty.dcm": b"",
        "text.png": b"This is no film.\n" * 20,
        "absurd.png": absurd_png(),
        "preamble-only.dcm": bytes(128) + b"DICM",
    }
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    Image.new("L", (300, 300), 90).save(folder / "constant.png")
    return {path.name: path for path in folder.iterdir()}
