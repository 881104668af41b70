"""The benchmark of the networks alone: its graph without the mirrored film, its table."""

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from training.export import to_onnx
from training.network import SeverityNetwork
from training.trunk import Trunk
from training.trunk_shape import TrunkShape

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "backbone_speed.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("backbone_speed", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network() -> SeverityNetwork:
    torch.manual_seed(0)
    network = SeverityNetwork(5, Trunk(TrunkShape("tiny", 0.25, 1.0, "", "", "")), width=32)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 1, 3)
    network.train()
    for _ in range(3):
        network(torch.randn(8, 1, 64, 64))
    return network.eval()


def test_the_graph_without_the_mirrored_film_is_the_plain_one(
    benchmark: ModuleType, network: SeverityNetwork
) -> None:
    import onnxruntime

    mirrored = to_onnx(network, 64, mirrored=True)
    single = benchmark.without_mirror(mirrored)
    plain = to_onnx(network, 64, mirrored=False)
    film = np.random.default_rng(0).normal(size=(2, 1, 64, 64)).astype(np.float32)
    results = [
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"film": film})
        for model in (single, plain, mirrored)
    ]
    for found, expected in zip(results[0], results[1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not np.allclose(results[0][1], results[2][1], atol=1e-6)
    convolutions = [
        sum(node.op_type == "Conv" for node in model.graph.node) for model in (single, plain)
    ]
    assert convolutions[0] == convolutions[1]
    assert benchmark.without_mirror(plain) is None


def test_medians_leave_the_warm_up_out_and_jobs_take_turns(benchmark: ModuleType) -> None:
    calls: list[str] = []

    def slow_at_first() -> None:
        time.sleep(0.2 if calls.count("first") < 2 else 0)
        calls.append("first")

    medians, share = benchmark.median_milliseconds(
        {"first": slow_at_first, "second": lambda: calls.append("second")}, repeats=5, warm_up=2
    )
    assert calls == ["first", "second"] * 7
    assert medians["first"] < 150
    assert share > 0


def test_the_table_says_what_is_missing_and_what_disturbed_it(benchmark: ModuleType) -> None:
    speed = benchmark.Speed("made", 11.1, 20.04, None, None)
    quiet = benchmark.table([speed], 0.99, 3)
    assert "| made | 11.1 | 20.0 | - | - |" in " ".join(quiet.split())
    assert "PyTorch is not installed" in quiet
    assert "other work" not in quiet
    reference = benchmark.Speed(benchmark.DENSENET, 28.0, 100.0, None, 1.0)
    loaded = benchmark.table([speed, reference], 0.6, 3)
    assert "PyTorch is not installed" not in loaded
    assert "60% of one processor" in loaded
