"""Options of the training's commands, worded once."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.config import TrainingConfig

__all__ = [
    "DATA",
    "RUNS",
    "THREADS",
    "Config",
    "Data",
    "OutFile",
    "Runs",
    "Threads",
    "config_of",
    "use_threads",
]

_CONFIGS = Path(__file__).parents[1] / "configs"

Config = Annotated[
    str,
    typer.Argument(
        metavar="NAME|TOML", help="A built-in configuration (generic, severity, ...) or a file."
    ),
]
Data = Annotated[
    Path,
    typer.Option("--data", metavar="FOLDER", help="Folder of the public films and tables."),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Checkpoints and logs.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", metavar="FILE|FOLDER", help="What to write.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Processor threads.")]

DATA = Path("../shared/data")
RUNS = Path("runs")
THREADS = os.cpu_count() or 1
# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def use_threads(threads: int) -> None:
    """Let PyTorch compute with that many threads, and keep the memory that it has once taken."""
    import torch

    torch.set_num_threads(threads)
    _keep_pages()


def _keep_pages() -> None:
    """Let glibc's allocator keep large blocks: giving them back at every batch halves the speed."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def config_of(name: str) -> TrainingConfig:
    """Return the training configuration of that name or file."""
    from training.config import read_config

    return read_config(_file(name))


def _file(name: str) -> Path:
    path = Path(name)
    return path if path.suffix == ".toml" else _CONFIGS / f"{name}.toml"
