"""The device that computes a network is the one that was asked for, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import onnxruntime
import pytest

from pneumoscore.backbone.runtime import Device
from pneumoscore.cli import main
from pneumoscore.errors import ModelError
from pneumoscore.severity.model import SeverityModel

CUDA = "CUDAExecutionProvider"


class FakeSession:
    """A session of the GPU build of ONNX Runtime, computed by the CPU."""

    made: ClassVar[list[object]] = []
    falls_back = False

    def __init__(self, network: bytes, sess_options: object, providers: list[object]) -> None:
        FakeSession.made.append(providers)
        self._session = REAL(network, sess_options=sess_options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"] if self.falls_back else [CUDA, "CPUExecutionProvider"]

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


REAL = onnxruntime.InferenceSession


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    monkeypatch.setattr(FakeSession, "made", [])
    monkeypatch.setattr(FakeSession, "falls_back", False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"]
    )
    return FakeSession


@pytest.fixture
def cpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


def test_the_gpu_is_asked_for_first_and_in_full_precision(
    gpu_build: type[FakeSession], tiny_folder: Path
) -> None:
    SeverityModel.open(tiny_folder, threads=1, device=Device.CUDA)
    assert gpu_build.made == [[(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"]]
    SeverityModel.open(tiny_folder, threads=1)
    assert gpu_build.made[1:] == [["CPUExecutionProvider"]]


@pytest.mark.usefixtures("cpu_build")
def test_a_build_without_the_provider_says_what_to_install(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"installed without it.*onnxruntime-gpu"):
        SeverityModel.open(tiny_folder, threads=1, device=Device.CUDA)


def test_a_session_that_falls_back_to_the_cpu_is_refused(
    gpu_build: type[FakeSession], tiny_folder: Path
) -> None:
    gpu_build.falls_back = True
    with pytest.raises(ModelError, match="finds no GPU"):
        SeverityModel.open(tiny_folder, threads=1, device=Device.CUDA)


@pytest.mark.usefixtures("cpu_build")
def test_the_command_ends_with_its_status_before_anything_is_written(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "film.png").write_text("never read")
    run = ["archive", "run", tmp_path, "--out", tmp_path / "out", "--model", tiny_folder]
    assert main([*map(str, run), "--device", "cuda"]) == 3
    assert "error: the network cannot be computed by CUDA" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*map(str, run), "--device", "cuda", "--engine", "ray"]) == 2


@pytest.mark.usefixtures("gpu_build")
def test_an_archive_is_scored_on_the_device(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    films = tmp_path / "films"
    films.mkdir()
    Image.linear_gradient("L").save(films / "film.png")
    run = ["archive", "run", films, "--out", tmp_path / "out", "--model", tiny_folder, "--force"]
    assert main([*map(str, run), "--device", "cuda", "--format", "csv"]) == 0
    assert "1 films scored" in capsys.readouterr().out
    # The lung network, which works beside the readers, stays on the CPU.
    assert [(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"] in FakeSession.made
