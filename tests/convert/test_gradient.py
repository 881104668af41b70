"""The gradient's nodes against torch's automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional

from pneumoscore.convert.gradient import add_input_gradient
from pneumoscore.convert.gradient_rules import RULES
from pneumoscore.convert.halve import store_weights_as_float16
from pneumoscore.errors import ModelError

Export = Callable[[nn.Module, int], onnx.ModelProto]


class Function(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return self.function(value)


class InvertedBlock(nn.Module):
    """As the built-in networks' trunks have it."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU6(),
            nn.Conv2d(4 * width, 4 * width, 3, stride, 1, groups=4 * width, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU6(),
            nn.Conv2d(4 * width, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.residual = stride == 1 and width == out

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        return value + self.main(value) if self.residual else self.main(value)


class DenseBlock(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width + 8 * layer),
                nn.ReLU(),
                nn.Conv2d(width + 8 * layer, 8, 3, padding=1, bias=False),
            )
            for layer in range(layers)
        )

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            value = torch.cat([value, layer(value)], 1)
        return value


def shake(network: nn.Module) -> nn.Module:
    """Give normalisations figures that an untrained network lacks."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.3)
            nn.init.normal_(module.running_mean, 0.0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def check(model: onnx.ModelProto, network: nn.Module, size: int, width: int) -> None:
    """Compare the stored gradient with torch's for random films and coefficients."""
    check_whole(add_input_gradient(model), network, size, width)


def check_whole(whole: onnx.ModelProto, network: nn.Module, size: int, width: int) -> None:
    onnx.checker.check_model(whole, full_check=True)
    session = onnxruntime.InferenceSession(
        whole.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    films = torch.randn(3, 1, size, size, requires_grad=True)
    coefficients = torch.randn(width)
    _, features, _ = network(films)
    (features @ coefficients).sum().backward()
    expected = films.grad.numpy()
    found, found_features = session.run(
        ["input_gradient", "features"],
        {"film": films.detach().numpy(), "coefficients": coefficients.numpy()},
    )
    np.testing.assert_allclose(found_features, features.detach().numpy(), rtol=1e-4, atol=1e-5)
    largest = np.abs(expected).max(axis=(1, 2, 3))
    assert (largest > 0).all()
    errors = np.abs(found - expected).max(axis=(1, 2, 3)) / np.maximum(largest, 1e-3)
    # A value within rounding of a kink may fall on either side of it, in one film of three.
    assert np.sort(errors)[1] <= 1e-4
    assert np.sort(errors)[2] <= 5e-2


@pytest.mark.parametrize("size", [32, 45])
def test_trunk_like(contract: type[nn.Module], export: Export, size: int) -> None:
    torch.manual_seed(1)
    body = nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        InvertedBlock(8, 16, 2),
        InvertedBlock(16, 16, 1),
        nn.Upsample(scale_factor=2, mode="nearest"),
        InvertedBlock(16, 24, 2),
    )
    network = shake(contract(body, 24))
    check(export(network, size), network, size, 24)


@pytest.mark.parametrize("size", [32, 48])
def test_densenet_like(contract: type[nn.Module], export: Export, size: int) -> None:
    torch.manual_seed(2)
    body = nn.Sequential(
        nn.Conv2d(1, 16, 7, 2, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        DenseBlock(16, 3),
        nn.BatchNorm2d(40),
        nn.ReLU(),
        nn.Conv2d(40, 20, 1, bias=False),
        nn.AvgPool2d(2, 2),
        DenseBlock(20, 2),
        nn.BatchNorm2d(36),
        nn.ReLU(),
    )
    network = shake(contract(body, 36))
    check(export(network, size), network, size, 36)


class Weighed(nn.Module):
    """A map weighed by a share of each place that the map itself tells, as lungs do."""

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.Conv2d(8, 1, 1)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        share = torch.sigmoid(self.told(value))
        mean = functional.avg_pool2d(share, share.shape[-1])
        return value * (share / mean)


MIRROR = torch.eye(13).flip(0)
LAYERS: dict[str, nn.Module] = {
    "relu6": nn.ReLU6(),
    "clip to one side": Function(lambda value: value.clamp(max=0.3)),
    "sum": Function(lambda value: value + 2.0 * value),
    "constant": Function(lambda value: 0.5 * value + 1.0),
    "mirrored": Function(lambda value: value @ MIRROR),
    "max pool, overlapping": nn.MaxPool2d(3, 2, 1),
    "max pool, ceil": nn.MaxPool2d(2, 2, ceil_mode=True),
    "average pool": nn.Sequential(nn.Upsample(scale_factor=6, mode="nearest"), nn.AvgPool2d(3, 3)),
    "nearest": nn.Upsample(scale_factor=3, mode="nearest"),
    "square": Function(lambda value: value * value),
    "weighed": Weighed(),
    "joined": nn.Sequential(
        Function(lambda value: torch.cat([value, functional.relu(value)], 1)), nn.Conv2d(16, 8, 1)
    ),
    "dropout": nn.Dropout(0.5),
    "batch normalisation": nn.Sequential(nn.ReLU(), nn.BatchNorm2d(8)),
}


@pytest.mark.parametrize("layer", list(LAYERS))
def test_operator(contract: type[nn.Module], export: Export, layer: str) -> None:
    torch.manual_seed(3)
    body = nn.Sequential(
        nn.Conv2d(1, 8, 3, 1, 1), Function(lambda v: 2.0 * v), LAYERS[layer], nn.Conv2d(8, 8, 1)
    )
    network = shake(contract(body, 8))
    check(export(network, 13), network, 13, 8)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[nn.Conv2d, int]:
    groups = draw(st.sampled_from([1, 2, 4]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = tuple(
        draw(st.integers(0, (k - 1) * d)) for k, d in zip(kernel, dilation, strict=True)
    )
    layer = nn.Conv2d(
        4,
        4 * draw(st.integers(1, 2)),
        kernel,
        stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    return layer, draw(st.integers(9, 14))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(convolutions())
def test_any_convolution(
    contract: type[nn.Module], export: Export, case: tuple[nn.Conv2d, int]
) -> None:
    layer, size = case
    torch.manual_seed(4)
    body = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU6(), layer)
    network = contract(body, layer.out_channels).eval()
    check(export(network, size), network, size, layer.out_channels)


@pytest.mark.parametrize("gradient_first", [True, False])
def test_half_stored_weights_are_shared_by_both_directions(
    contract: type[nn.Module], export: Export, gradient_first: bool
) -> None:
    torch.manual_seed(6)
    body = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU6(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
    network = contract(body, 12).eval()
    model = export(network, 32)
    if gradient_first:
        whole = store_weights_as_float16(add_input_gradient(model), smallest=40)
    else:
        whole = add_input_gradient(store_weights_as_float16(model, smallest=40))
    kinds = [tensor.data_type for tensor in whole.graph.initializer if len(tensor.dims) == 4]
    assert kinds == [TensorProto.FLOAT16] * 2
    with torch.no_grad():
        for weight in body.parameters():
            if weight.ndim == 4:
                assert not torch.equal(weight, weight.half().float())
                weight.copy_(weight.half().float())
    check_whole(whole, network, 32, 12)


def test_a_weight_beyond_float16_is_refused(small_model: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(small_model)
    weight = max(model.graph.initializer, key=lambda tensor: np.prod(tensor.dims))
    weight.CopyFrom(
        onnx.numpy_helper.from_array(np.full(tuple(weight.dims), 7e4, np.float32), weight.name)
    )
    with pytest.raises(ModelError, match="65504"):
        store_weights_as_float16(model, smallest=8)


def graph_of(*nodes: onnx.NodeProto, opset: int = 18, **shapes: tuple[int | str, ...]):
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(list(nodes), "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def test_an_operator_without_a_rule_is_named() -> None:
    model = graph_of(
        helper.make_node("Softmax", ["film"], ["soft"], axis=3, name="the soft one"),
        helper.make_node("GlobalAveragePool", ["soft"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        film=("n", 1, 4, 4),
        features=("n", 1),
    )
    with pytest.raises(ModelError, match=r"Softmax .*the soft one.* has no gradient rule"):
        add_input_gradient(model)


def test_misfits_are_refused(small_model: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="already"):
        add_input_gradient(add_input_gradient(small_model))
    other = onnx.ModelProto()
    other.CopyFrom(small_model)
    other.graph.output[1].name = "elsewhere"
    for node in other.graph.node:
        node.output[:] = ["elsewhere" if name == "features" else name for name in node.output]
        node.input[:] = ["elsewhere" if name == "features" else name for name in node.input]
    with pytest.raises(ModelError, match="no output 'features'"):
        add_input_gradient(other)


def test_an_older_opset_is_converted() -> None:
    model = graph_of(
        helper.make_node("Relu", ["film"], ["bent"]),
        helper.make_node("ReduceMean", ["bent"], ["features"], axes=[2, 3], keepdims=0),
        opset=13,
        film=("n", 1, 4, 4),
        features=("n", 1),
    )
    session = onnxruntime.InferenceSession(
        add_input_gradient(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    film = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 1, 4, 4)
    (found,) = session.run(
        ["input_gradient"], {"film": film, "coefficients": np.array([16.0], dtype=np.float32)}
    )
    np.testing.assert_allclose(found, np.where(film > 0, 1.0, 0.0))


def test_ties_of_a_maximum_go_to_the_first(contract: type[nn.Module], export: Export) -> None:
    network = contract(nn.MaxPool2d(2, 2), 1).eval()
    session = onnxruntime.InferenceSession(
        add_input_gradient(export(network, 4)).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    (found,) = session.run(
        ["input_gradient"],
        {"film": np.ones((2, 1, 4, 4), np.float32), "coefficients": np.array([4.0], np.float32)},
    )
    expected = np.zeros((2, 1, 4, 4), dtype=np.float32)
    expected[:, :, ::2, ::2] = 1.0
    np.testing.assert_array_equal(found, expected)


CONSTANTS = {
    "many": np.ones((1, 3, 4, 4), np.float32),
    "one": np.ones((1, 1, 1, 1), np.float32),
    "rows": np.array([2]),
    "twice": np.array([1, 1, 2, 2], np.float32),
}


@pytest.mark.parametrize(
    ("node", "width"),
    [
        (helper.make_node("Add", ["film", "many"], ["map"]), 3),
        (helper.make_node("Concat", ["film", "film"], ["map"], axis=2), 1),
        (helper.make_node("Conv", ["film", "one"], ["map"], auto_pad="SAME_UPPER"), 1),
        (helper.make_node("AveragePool", ["film"], ["map"], kernel_shape=[2, 2]), 1),
        (helper.make_node("MatMul", ["film", "film"], ["map"]), 1),
        (helper.make_node("ReduceMean", ["film", "rows"], ["map"]), 1),
        (helper.make_node("Resize", ["film", "", "twice"], ["map"], mode="linear"), 1),
    ],
    ids=lambda item: getattr(item, "op_type", ""),
)
def test_a_use_without_a_rule_is_named(node: onnx.NodeProto, width: int) -> None:
    assert node.op_type in RULES
    model = graph_of(
        node,
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        film=("n", 1, 4, 4),
        features=("n", width),
    )
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name)
        for name, value in CONSTANTS.items()
        if name in node.input
    )
    with pytest.raises(ModelError, match=f"the {node.op_type} node .* has no gradient rule"):
        add_input_gradient(model)
