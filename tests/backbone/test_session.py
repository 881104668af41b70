from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from pneumoscore.backbone.record import load_record, save_record
from pneumoscore.backbone.session import Backbone, physical_cores
from pneumoscore.convert.store import gradient_part, store_backbone, verify_backbone
from pneumoscore.errors import ModelError


def films(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 1, 32, 32), dtype=np.float32)


def test_a_run_gives_what_torch_gives(stored: Path, small_network: nn.Module) -> None:
    backbone = Backbone.open(stored, threads=1)
    batch = films(3)
    output = backbone.run(batch)
    with torch.no_grad():
        findings, features, feature_map = small_network(torch.from_numpy(batch))
    np.testing.assert_allclose(output.findings, findings, atol=1e-5)
    np.testing.assert_allclose(output.features, features, atol=1e-5)
    np.testing.assert_allclose(output.feature_map, feature_map, atol=1e-5)
    assert output.lungs is None
    assert np.abs(output.features - output.feature_map.mean(axis=(2, 3))).max() < 1e-4


def test_the_input_gradient_is_torchs(stored: Path, small_network: nn.Module) -> None:
    backbone = Backbone.open(str(stored))
    batch = torch.from_numpy(films(2)).requires_grad_()
    coefficients = np.linspace(-1, 1, 12)
    features = small_network(batch)[1]
    (features @ torch.from_numpy(coefficients).float()).sum().backward()
    found = backbone.input_gradient(batch.detach().numpy(), coefficients)
    assert found.shape == (2, 32, 32)
    np.testing.assert_allclose(found, batch.grad.numpy()[:, 0], atol=1e-6)


def operators_run(network: bytes, feeds: dict[str, np.ndarray], folder: Path) -> list[str]:
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(
        network, sess_options=options, providers=["CPUExecutionProvider"]
    )
    session.run(["features"], feeds)
    events = json.loads(Path(session.end_profiling()).read_text())
    return [event["args"]["op_name"] for event in events if event.get("cat") == "Node"]


def test_a_run_computes_no_gradient(stored: Path, tmp_path: Path) -> None:
    record = load_record(stored)
    data = (stored.parent / record.file).read_bytes()
    assert record.forward_bytes is not None
    forward = operators_run(data[: record.forward_bytes], {"film": films(1)}, tmp_path)
    whole = operators_run(
        data, {"film": films(1), "coefficients": np.zeros(12, dtype=np.float32)}, tmp_path
    )
    assert "ConvTranspose" not in forward
    assert "ConvTranspose" in whole
    # The gradient shares the weights: it adds nodes, not a second network.
    assert len(data) - record.forward_bytes < 4000


def test_the_whole_file_is_one_valid_model(stored: Path) -> None:
    model = onnx.load(stored.with_suffix(".onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["film", "coefficients"]
    assert model.graph.output[-1].name == "input_gradient"


def test_networks_that_do_not_extend_each_other_are_not_joined(
    small_model: onnx.ModelProto,
) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(small_model)
    del other.graph.node[0]
    with pytest.raises(ModelError, match="differ in their node"):
        gradient_part(small_model, other)


def test_threads_may_share_a_backbone(stored: Path) -> None:
    backbone = Backbone.open(stored, threads=1)
    expected = backbone.run(films(1)).features
    found: list[np.ndarray] = []

    def work() -> None:
        for _ in range(5):
            backbone.input_gradient(films(1), np.ones(12))
            found.append(backbone.run(films(1)).features)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 20
    assert all(np.array_equal(item, expected) for item in found)


def test_one_film_gives_the_same_in_any_batch(stored: Path) -> None:
    backbone = Backbone.open(stored, threads=1)
    together = backbone.run(films(4)).features
    for index in range(4):
        alone = backbone.run(films(4)[index : index + 1]).features
        np.testing.assert_allclose(alone[0], together[index], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 32, 32), (0, 1, 32, 32), (1, 3, 32, 32), (1, 1, 31, 32)])
def test_a_batch_of_another_shape_is_refused(stored: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"expected \(n, 1, 32, 32\)"):
        Backbone.open(stored, threads=1).run(np.zeros(shape, dtype=np.float32))


def test_values_that_are_not_finite_are_refused(stored: Path) -> None:
    backbone = Backbone.open(stored, threads=1)
    batch = films(1)
    batch[0, 0, 3, 3] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        backbone.run(batch)
    with pytest.raises(ModelError, match=r"\(12,\)"):
        backbone.input_gradient(films(1), np.full(12, np.inf))
    with pytest.raises(ModelError, match=r"\(12,\)"):
        backbone.input_gradient(films(1), np.ones(11))


def test_a_changed_file_is_refused(stored: Path) -> None:
    file = stored.with_suffix(".onnx")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="SHA-256"):
        Backbone.open(stored)


def test_a_network_that_is_loaded_meanwhile_says_the_same(stored: Path) -> None:
    at_once, meanwhile = (Backbone.open(stored, threads=1, wait=wait) for wait in (True, False))
    found, expected = meanwhile.run(films(2)), at_once.run(films(2))
    assert np.array_equal(found.features, expected.features)


def test_a_changed_file_that_is_loaded_meanwhile_is_refused_by_what_runs_it(stored: Path) -> None:
    stored.with_suffix(".onnx").write_bytes(b"other")
    opened = Backbone.open(stored, wait=False)
    for _ in range(2):
        with pytest.raises(ModelError, match="SHA-256"):
            opened.run(films(1))


def test_a_file_changed_after_opening_gives_no_gradient(stored: Path) -> None:
    backbone = Backbone.open(stored, threads=1)
    stored.with_suffix(".onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="SHA-256"):
        backbone.input_gradient(films(1), np.ones(12))


def test_a_missing_file_says_where_it_was_expected(stored: Path) -> None:
    stored.with_suffix(".onnx").unlink()
    with pytest.raises(ModelError, match=f"expected file small.onnx at {stored.parent}"):
        Backbone.open(stored)


def rehashed(path: Path, data: bytes, **changes: object) -> None:
    import hashlib

    path.with_suffix(".onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    save_record(dataclasses.replace(load_record(path), sha256=digest, **changes), path)


def test_a_file_that_is_no_network_is_refused(stored: Path) -> None:
    rehashed(stored, b"no protobuf at all")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load"):
        Backbone.open(stored)


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_width": 13},
        {"map_size": 9},
        {"findings": ("a", "b")},
        {"has_lungs": True},
        {"forward_bytes": None, "has_gradient": False},
    ],
)
def test_a_record_that_does_not_fit_its_file_is_refused(
    stored: Path, changes: dict[str, object]
) -> None:
    rehashed(stored, stored.with_suffix(".onnx").read_bytes(), **changes)
    with pytest.raises(ModelError):
        Backbone.open(stored)


def test_a_file_whose_parts_are_not_told_apart_still_works(stored: Path) -> None:
    before = Backbone.open(stored, threads=1)
    expected = before.run(films(1)).features, before.input_gradient(films(1), np.ones(12))
    rehashed(stored, stored.with_suffix(".onnx").read_bytes(), forward_bytes=None)
    after = Backbone.open(stored, threads=1)
    np.testing.assert_allclose(after.run(films(1)).features, expected[0], atol=1e-6)
    np.testing.assert_allclose(after.input_gradient(films(1), np.ones(12)), expected[1], atol=1e-6)


def test_a_backbone_without_gradient_says_so(
    tmp_path: Path, stored: Path, small_model: onnx.ModelProto
) -> None:
    record = load_record(stored)
    store_backbone(
        small_model,
        tmp_path,
        name="plain",
        version="1",
        input=record.input,
        findings=record.findings,
        training_data="none",
        licence="none",
        gradient=False,
    )
    with pytest.raises(ModelError, match="without its input gradient"):
        Backbone.open(tmp_path / "plain.json").input_gradient(films(1), np.ones(12))


def test_threads_are_counted(stored: Path) -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    with pytest.raises(ModelError, match="threads is 0"):
        Backbone.open(stored, threads=0)


def test_features_that_are_no_mean_are_found_before_anything_is_replaced(
    stored: Path, small_model: onnx.ModelProto
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(small_model)
    for node in model.graph.node:
        node.output[:] = ["means" if name == "features" else name for name in node.output]
        node.input[:] = ["means" if name == "features" else name for name in node.input]
    minus = onnx.numpy_helper.from_array(np.array(-1, dtype=np.float32), "minus")
    model.graph.initializer.append(minus)
    model.graph.node.append(onnx.helper.make_node("Mul", ["means", "minus"], ["features"]))
    record = load_record(stored)
    with pytest.raises(ModelError, match="mean of the feature map"):
        store_backbone(
            model,
            stored.parent,
            name="small",
            version="2",
            input=record.input,
            findings=record.findings,
            training_data="none",
            licence="none",
        )
    assert sorted(path.name for path in stored.parent.iterdir()) == ["small.json", "small.onnx"]
    assert load_record(stored) == record
    verify_backbone(stored)


def test_opening_brings_only_the_run_time(stored: Path) -> None:
    program = (
        "import sys, pneumoscore.backbone.session as s\n"
        "assert 'onnxruntime' not in sys.modules\n"
        f"s.Backbone.open({str(stored)!r})\n"
        "print([name for name in ('onnx', 'torch', 'scipy', 'pandas') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
