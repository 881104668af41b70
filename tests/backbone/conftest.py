"""Networks to test with: small ones made in torch, and DenseNet-121 with formula parameters."""

from __future__ import annotations

import io
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from pneumoscore.radiograph.types import InputSpec

UNIT_INPUT = InputSpec(32, "pad", "unit")


class Contract(nn.Module):
    """A body that makes a feature map, with the outputs of a backbone."""

    def __init__(self, body: nn.Module, width: int, findings: int = 3) -> None:
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(width, findings)

    def forward(self, film: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        feature_map = self.body(film)
        features = feature_map.mean(dim=(2, 3))
        return self.classifier(features), features, feature_map


def _export(network: nn.Module, size: int) -> onnx.ModelProto:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 1, size, size),),
            stream,
            dynamo=False,
            opset_version=18,
            input_names=["film"],
            output_names=["findings", "features", "feature_map"],
            dynamic_axes={
                name: {0: "n"} for name in ("film", "findings", "features", "feature_map")
            },
        )
    return onnx.load_model_from_string(stream.getvalue())


@pytest.fixture(scope="session")
def contract() -> type[Contract]:
    return Contract


@pytest.fixture(scope="session")
def export() -> Callable[[nn.Module, int], onnx.ModelProto]:
    return _export


@pytest.fixture(scope="session")
def small_network() -> nn.Module:
    torch.manual_seed(5)
    body = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU()
    )
    return Contract(body, 12).eval()


@pytest.fixture(scope="session")
def small_model(small_network: nn.Module) -> onnx.ModelProto:
    return _export(small_network, UNIT_INPUT.size)


@pytest.fixture
def stored(tmp_path: Path, small_model: onnx.ModelProto) -> Path:
    """Record path of a small stored backbone with its gradient."""
    from pneumoscore.backbone.store import store_backbone

    folder = tmp_path / "stored"
    store_backbone(
        small_model,
        folder,
        name="small",
        version="1",
        input=UNIT_INPUT,
        findings=("a", "b", "c"),
        training_data="nothing",
        licence="none",
    )
    return folder / "small.json"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, so that no test sees or touches the user's."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(folder))
    return folder


# DenseNet-121 by its definition (Huang et al. 2017, table 1), with torchxrayvision's names.


class _DenseLayer(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.add_module("norm1", nn.BatchNorm2d(width))
        self.add_module("relu1", nn.ReLU(inplace=True))
        self.add_module("conv1", nn.Conv2d(width, 128, 1, bias=False))
        self.add_module("norm2", nn.BatchNorm2d(128))
        self.add_module("relu2", nn.ReLU(inplace=True))
        self.add_module("conv2", nn.Conv2d(128, 32, 3, padding=1, bias=False))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        # The layer's ReLUs work in place, but only on what its normalisations made.
        return torch.cat([value, super().forward(value)], 1)


class DenseNet(nn.Module):
    def __init__(self, channels: int = 1, outputs: int = 18) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(channels, 64, 7, 2, 3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(64))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        width = 64
        for block, layers in enumerate((6, 12, 24, 16), start=1):
            dense = nn.Sequential()
            for layer in range(1, layers + 1):
                dense.add_module(f"denselayer{layer}", _DenseLayer(width))
                width += 32
            self.features.add_module(f"denseblock{block}", dense)
            if block < 4:
                transition = nn.Sequential()
                transition.add_module("norm", nn.BatchNorm2d(width))
                transition.add_module("relu", nn.ReLU(inplace=True))
                transition.add_module("conv", nn.Conv2d(width, width // 2, 1, bias=False))
                transition.add_module("pool", nn.AvgPool2d(2, 2))
                self.features.add_module(f"transition{block}", transition)
                width //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, outputs)
        self.op_threshs = None

    def feature_map(self, film: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.features(film))

    def forward(self, film: torch.Tensor) -> torch.Tensor:
        return self.classifier(functional.adaptive_avg_pool2d(self.feature_map(film), 1).flatten(1))


def _fill_by_formula(network: nn.Module) -> None:
    """Set every parameter from its position alone, so that any reader can make the same file."""
    with torch.no_grad():
        for index, (name, value) in enumerate(sorted(network.state_dict().items())):
            if value.dtype != torch.float32:
                continue
            wave = np.sin(0.37 * index + 0.7 * np.arange(value.numel(), dtype=np.float64) ** 1.1)
            if name.endswith("running_var") or (".norm" in name and name.endswith("weight")):
                wave = 1.0 + 0.3 * wave
            elif value.ndim > 1:
                wave = wave * np.sqrt(3.0 / np.prod(value.shape[1:]))
            else:
                wave = 0.1 * wave
            value.copy_(torch.from_numpy(wave.reshape(value.shape).astype(np.float32)))


@pytest.fixture(scope="session")
def densenet_class() -> type[DenseNet]:
    return DenseNet


@pytest.fixture(scope="session")
def densenet() -> DenseNet:
    network = DenseNet().eval()
    _fill_by_formula(network)
    return network


@pytest.fixture(scope="session")
def densenet_rgb() -> DenseNet:
    network = DenseNet(3, 2).eval()
    _fill_by_formula(network)
    return network


@pytest.fixture
def as_torchxrayvision() -> Iterator[Callable[[nn.Module], None]]:
    """Make a network's classes look as if torchxrayvision defined them, until the test ends."""
    module = types.ModuleType("torchxrayvision.models")
    package = types.ModuleType("torchxrayvision")
    sys.modules.update({"torchxrayvision": package, "torchxrayvision.models": module})
    changed = (DenseNet, _DenseLayer)
    names = [kind.__module__ for kind in changed]

    def pretend(network: nn.Module) -> None:
        for kind in changed:
            kind.__module__ = "torchxrayvision.models"
            setattr(module, kind.__qualname__, kind)

    yield pretend
    for kind, name in zip(changed, names, strict=True):
        kind.__module__ = name
    sys.modules.pop("torchxrayvision.models", None)
    sys.modules.pop("torchxrayvision", None)
