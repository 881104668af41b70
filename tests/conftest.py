"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from pneumoscore.backbone.runtime import TELEMETRY_VARIABLE

# Tests import the runtime themselves, to compare with it.
os.environ[TELEMETRY_VARIABLE] = "1"

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public radiographs; absent only outside CI."""
    if not (SHARED_DATA / "cohen94.csv").is_file():
        message = f"no radiographs at {SHARED_DATA}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny_model() -> ModuleType:
    """The module ``tests/tiny_model.py``: a small real backbone and severity model."""
    path = Path(__file__).with_name("tiny_model.py")
    spec = importlib.util.spec_from_file_location("tiny_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_folder(tiny_model: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a severity model that brings its own small backbone."""
    folder: Path = tiny_model.write_model(tmp_path_factory.mktemp("tiny") / "model")
    return folder
