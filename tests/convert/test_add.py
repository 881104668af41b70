"""Networks from elsewhere as backbones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from pneumoscore.backbone.registry import available_backbones
from pneumoscore.backbone.session import Backbone
from pneumoscore.convert.add import add_backbone
from pneumoscore.convert.contract import to_contract
from pneumoscore.errors import MissingExtraError, ModelError
from pneumoscore.radiograph.types import InputSpec

UNIT = InputSpec(32, "pad", "unit")
FINDINGS = ("a", "b", "c")


@pytest.fixture
def plain_file(tmp_path: Path, small_model: onnx.ModelProto) -> Path:
    path = tmp_path / "plain.onnx"
    onnx.save(small_model, path)
    return path


def films() -> np.ndarray:
    return np.random.default_rng(1).random((2, 1, 32, 32), dtype=np.float32)


def test_a_network_in_the_contract(plain_file: Path, small_network: nn.Module) -> None:
    record = add_backbone(plain_file, "mine", input=UNIT, findings=FINDINGS, licence="CC0")
    assert record.has_gradient
    assert record.details["source_file"] == "plain.onnx"
    backbone = Backbone.open("mine", threads=1)
    with torch.no_grad():
        findings, _, _ = small_network(torch.from_numpy(films()))
    np.testing.assert_allclose(backbone.run(films()).findings, findings, atol=1e-5)


def foreign(channels: int, batch: int | str = "batch") -> onnx.ModelProto:
    """A network with names of its own, one of which is the contract's for something else."""
    rng = np.random.default_rng(2)
    arrays = {
        "w": rng.standard_normal((6, channels, 3, 3)).astype(np.float32),
        "film": rng.standard_normal((6, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["pixels", "w"], ["convolved"], pads=[1, 1, 1, 1], strides=[4, 4]),
        helper.make_node("Relu", ["convolved"], ["last"]),
        helper.make_node("ReduceMax", ["last"], ["features"], keepdims=1),
        helper.make_node("GlobalAveragePool", ["last"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "film"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, channels, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 2])],
        [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_named_outputs_of_a_foreign_network(
    tmp_path: Path, channels: int, batch: int | str
) -> None:
    model = foreign(channels, batch)
    onnx.save(model, tmp_path / "foreign.onnx")
    record = add_backbone(
        tmp_path / "foreign.onnx",
        "foreign",
        input=UNIT,
        outputs={"findings": "logits", "feature_map": "last", "features": "flat"},
    )
    assert record.findings == ("finding 1", "finding 2")
    assert (record.feature_width, record.map_size) == (6, 8)
    backbone = Backbone.open("foreign", threads=1)
    output = backbone.run(films())

    weight, matrix = (
        torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for t in model.graph.initializer
    )
    tensor = torch.from_numpy(films()).requires_grad_()
    pixels = tensor
    if channels == 3:
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
        pixels = (tensor - mean) / torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    feature_map = nn.functional.conv2d(pixels, weight, stride=4, padding=1).relu()
    features = feature_map.mean(dim=(2, 3))
    np.testing.assert_allclose(output.findings, (features @ matrix).detach(), atol=1e-4)
    features.sum().backward()
    found = backbone.input_gradient(films(), np.ones(6))
    np.testing.assert_allclose(found, tensor.grad.numpy()[:, 0], atol=1e-5)


def test_features_that_are_no_mean_of_the_map_are_refused(tmp_path: Path, home: Path) -> None:
    onnx.save(foreign(1), tmp_path / "foreign.onnx")
    outputs = {"findings": "logits", "feature_map": "last", "features": "convolved"}
    with pytest.raises(ModelError):
        add_backbone(tmp_path / "foreign.onnx", "foreign", input=UNIT, outputs=outputs)
    assert not list(home.rglob("*.*"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no value 'findings'.*its outputs are logits"):
        to_contract(foreign(1), 32, {"feature_map": "last"})
    with pytest.raises(ModelError, match="no value 'nothing'"):
        to_contract(foreign(1), 32, {"feature_map": "nothing", "findings": "logits"})
    with pytest.raises(ModelError, match="unknown output heatmap"):
        to_contract(foreign(1), 32, {"heatmap": "last"})
    with pytest.raises(ModelError, match="2 channels"):
        to_contract(foreign(2), 32, {"feature_map": "last", "findings": "logits"})


def test_a_network_without_a_gradient_rule_is_added_without_its_gradient(
    tmp_path: Path, small_network: nn.Module, contract: type[nn.Module], export: Callable
) -> None:
    class Sine(nn.Module):
        def forward(self, value: torch.Tensor) -> torch.Tensor:
            return torch.sin(value)

    network = contract(nn.Sequential(nn.Conv2d(1, 4, 3, 4), Sine()), 4).eval()
    onnx.save(export(network, 32), tmp_path / "sine.onnx")
    record = add_backbone(tmp_path / "sine.onnx", "sine", input=UNIT, findings=FINDINGS)
    assert not record.has_gradient
    assert "Sin" in record.details["no_gradient"]
    assert Backbone.open("sine", threads=1).run(films()).features.shape == (2, 4)


def test_an_onnx_file_must_be_said_how_it_is_fed(plain_file: Path, home: Path) -> None:
    with pytest.raises(ModelError, match="--size, --squaring and --pixel-range"):
        add_backbone(plain_file, "mine")
    assert not home.exists()


def test_two_networks_never_carry_one_name_and_version(
    tmp_path: Path, plain_file: Path, stored: Path
) -> None:
    first = add_backbone(plain_file, "mine", input=UNIT)
    again = add_backbone(plain_file, "mine", input=UNIT, overwrite=True)
    assert again.version == first.version
    other_input = InputSpec(32, "crop", "unit")
    assert add_backbone(plain_file, "mine", input=other_input, overwrite=True).version not in (
        first.version,
        "1",
    )
    onnx.save(foreign(1), tmp_path / "foreign.onnx")
    outputs = {"findings": "logits", "feature_map": "last", "features": "flat"}
    named = {"input": UNIT, "version": "1", "overwrite": True}
    add_backbone(plain_file, "mine", **named)
    before = Backbone.open("mine", threads=1).record
    with pytest.raises(ModelError, match="another network called mine 1"):
        add_backbone(tmp_path / "foreign.onnx", "mine", outputs=outputs, **named)
    with pytest.raises(ModelError, match="another network called mine 1"):
        add_backbone(stored, "mine", overwrite=True)
    assert Backbone.open("mine", threads=1).record == before


def test_a_stored_backbone_is_copied_with_its_record(stored: Path) -> None:
    record = add_backbone(stored, "copy")
    assert record.name == "copy"
    assert available_backbones()["copy"].name == "copy.json"
    assert Backbone.open("copy", threads=1).input_gradient(films(), np.ones(12)).shape == (
        2,
        32,
        32,
    )


@pytest.mark.parametrize(
    "told",
    [{"version": "9"}, {"licence": "CC0"}, {"findings": FINDINGS}, {"training_data": "films"}],
)
def test_a_record_says_itself_what_it_is(stored: Path, told: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="says so itself"):
        add_backbone(stored, "copy", **told)
    assert "copy" not in available_backbones()


def test_a_taken_name_is_refused_unless_it_may_be_replaced(stored: Path) -> None:
    add_backbone(stored, "mine")
    with pytest.raises(ModelError, match="installed already"):
        add_backbone(stored, "mine")
    add_backbone(stored, "mine", overwrite=True)
    for name in ("../mine", "", ".mine", "a b"):
        with pytest.raises(ModelError, match="cannot be a backbone's name"):
            add_backbone(stored, name)


def test_a_built_in_name_is_never_taken(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("backbone.registry", "convert.add"):
        monkeypatch.setattr(f"pneumoscore.{module}.weights_folder", lambda: stored.parent)
    with pytest.raises(ModelError, match="built-in"):
        add_backbone(stored, "small", overwrite=True)


def test_the_findings_must_be_as_many_as_the_logits(plain_file: Path) -> None:
    with pytest.raises(ModelError, match="2 findings are named; expected the network's 3"):
        add_backbone(plain_file, "mine", input=UNIT, findings=("a", "b"))


@pytest.mark.parametrize("data", [b"", b"<html>", b"\x08\x08\x12\x00"])
def test_a_file_that_is_no_network(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        add_backbone(path, "mine", input=UNIT)
    with pytest.raises(ModelError, match="cannot be read"):
        add_backbone(tmp_path / "absent.onnx", "mine", input=UNIT)


def test_without_onnx_the_remedy_is_named(
    plain_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pneumoscore\[convert\]'"):
        add_backbone(plain_file, "mine", input=UNIT)
