"""Fixtures of the reader tests."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load_benchmark(name: str) -> ModuleType:
    """Import a module of ``benchmarks/``, which is no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def files() -> ModuleType:
    """The module ``benchmarks/radiograph_files.py``: makes files of every kind."""
    return load_benchmark("radiograph_files")


@pytest.fixture(scope="session")
def fuzz_readers(files: ModuleType) -> ModuleType:
    """The module ``benchmarks/fuzz_readers.py``."""
    return load_benchmark("fuzz_readers")


@pytest.fixture(scope="session")
def inversion_benchmark() -> ModuleType:
    """The module ``benchmarks/inversion.py``."""
    return load_benchmark("inversion")
