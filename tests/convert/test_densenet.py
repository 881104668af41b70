"""DenseNet-121 built from a checkpoint, against its definition in torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.add import add_backbone
from pneumoscore.convert.densenet import build_densenet121, densenet121_state
from pneumoscore.convert.fetch import fetch_backbone
from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import InputSpec


def film(size: int = 224, low: float = -1024.0, high: float = 1024.0) -> np.ndarray:
    values = np.random.default_rng(3).random((1, 1, size, size))
    return (low + (high - low) * values).astype(np.float32)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1.0))


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("wrap", ["module, stream", "state dict"])
def test_the_fetched_checkpoint_gives_the_definitions_logits_and_features(
    tmp_path: Path,
    densenet: nn.Module,
    as_torchxrayvision: Callable[[nn.Module], None],
    wrap: str,
) -> None:
    as_torchxrayvision(densenet)
    file = tmp_path / "published.pt"
    content = densenet.state_dict() if wrap == "state dict" else densenet
    torch.save(content, file, _use_new_zipfile_serialization=wrap != "module, stream")
    record = fetch_backbone("densenet121-res224-all", from_file=file)
    assert record.findings[16] == "Lung Opacity"
    assert record.input == InputSpec(224, "crop", "signed_1024")
    assert (record.feature_width, record.map_size, len(record.findings)) == (1024, 7, 18)
    assert record.details["source_pinned"] is False

    batch = film()
    tensor = torch.from_numpy(batch).requires_grad_()
    feature_map = densenet.feature_map(tensor)
    features = feature_map.mean(dim=(2, 3))
    expected = densenet.classifier(features)
    assert torch.equal(expected, densenet(tensor)) or torch.allclose(expected, densenet(tensor))
    backbone = Backbone.open("densenet121-res224-all", threads=1)
    found = backbone.run(batch)
    assert found.findings.shape == (1, 18)
    assert relative(found.findings, expected.detach().numpy()) < 1e-4
    assert relative(found.features, features.detach().numpy()) < 1e-4
    assert relative(found.feature_map, feature_map.detach().numpy()) < 1e-4
    assert np.std(found.features) > 0.01
    if wrap == "state dict":
        features.sum().backward()
        gradient = backbone.input_gradient(batch, np.ones(1024))
        expected_gradient = tensor.grad.numpy()[:, 0]
        # Over so many layers some values fall on the other side of a ReLU's kink.
        error = np.linalg.norm(gradient - expected_gradient) / np.linalg.norm(expected_gradient)
        assert error < 1e-2


def test_a_network_of_three_channels_sees_the_grey_film_three_times(
    tmp_path: Path, densenet_rgb: nn.Module
) -> None:
    # As CheXNet-style training saves it: wrapped, with the classifier inside a container.
    state = {
        "module.densenet121." + name.replace("classifier.", "classifier.0."): value
        for name, value in densenet_rgb.state_dict().items()
    }
    torch.save({"state_dict": state}, tmp_path / "x.pt")
    record = add_backbone(
        tmp_path / "x.pt",
        "rgb",
        input=InputSpec(64, "pad", "unit"),
        findings=("No Finding", "Pneumonia"),
    )
    assert record.map_size == 2
    batch = film(64, 0.0, 1.0)
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    tensor = torch.from_numpy(batch).requires_grad_()
    expected = densenet_rgb((tensor.repeat(1, 3, 1, 1) - mean) / deviation)
    backbone = Backbone.open("rgb", threads=1)
    assert relative(backbone.run(batch).findings, expected.detach().numpy()) < 1e-4


def test_torchvisions_old_names_are_understood(densenet: nn.Module) -> None:
    state = {name: value.numpy() for name, value in densenet.state_dict().items()}
    old = {}
    for name, value in state.items():
        for kind in ("norm", "conv"):
            for number in ("1", "2"):
                name = name.replace(f".{kind}{number}.", f".{kind}.{number}.")
        old[name] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    renamed = densenet121_state(old)
    assert set(renamed) == {name for name in state if "num_batches" not in name}


def test_another_networks_checkpoint_is_refused(densenet: nn.Module) -> None:
    state = densenet121_state({n: v.numpy() for n, v in densenet.state_dict().items()})
    with pytest.raises(ModelError, match="DenseNet-121"):
        densenet121_state({"layer1.weight": np.zeros(3)})
    with pytest.raises(ModelError, match=r"no tensor features\.norm5\.bias"):
        build_densenet121({n: v for n, v in state.items() if n != "features.norm5.bias"})
    wrong = dict(state)
    name = "features.denseblock3.denselayer24.conv1.weight"
    wrong[name] = np.zeros((128, 3, 1, 1), dtype=np.float32)
    with pytest.raises(ModelError, match=r"conv1\.weight has shape \(128, 3, 1, 1\)"):
        build_densenet121(wrong)
    wrong[name] = np.full_like(state[name], np.nan)
    with pytest.raises(ModelError, match="not finite"):
        build_densenet121(wrong)
    with pytest.raises(ModelError, match="multiple of 32"):
        build_densenet121(state, size=100)


def test_it_is_densenet_121(densenet: nn.Module) -> None:
    state = densenet121_state({n: v.numpy() for n, v in densenet.state_dict().items()})
    model = build_densenet121(state)
    operators = [node.op_type for node in model.graph.node]
    # One first convolution, two in each of 58 layers, one in each of three transitions; and
    # the classifier makes 121.
    assert operators.count("Conv") + operators.count("Gemm") == 121
    weights = sum(int(np.prod(t.dims)) for t in model.graph.initializer)
    running = sum(v.numel() for n, v in densenet.named_buffers() if "running" in n)
    assert weights == sum(p.numel() for p in densenet.parameters()) + running
    onnx.checker.check_model(model, full_check=True)
