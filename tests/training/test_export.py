"""The exported graph computes what the trained networks compute."""

import copy

import numpy as np
import pytest
import torch

from training.checkpoints import mean_network
from training.export import findings_layer, lungs_to_onnx, to_onnx
from training.lungs import LungNet
from training.network import SeverityNetwork, severity_coefficients
from training.trunk import Trunk
from training.trunk_shape import TrunkShape


def _network(seed: int = 0, width: int = 32, depth: float = 1.0) -> SeverityNetwork:
    torch.manual_seed(seed)
    network = SeverityNetwork(5, Trunk(TrunkShape("tiny", 0.25, depth, "", "", "")), width)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    network.train()
    for _ in range(3):
        network(torch.randn(8, 1, 64, 64))
    return network.eval()


@pytest.mark.parametrize("depth", [1.0, 1.2])
def test_onnx_equals_torch(depth: float) -> None:
    import onnxruntime

    network = _network(depth=depth)
    film = torch.randn(3, 1, 64, 64)
    model = to_onnx(network, 64, mirrored=False)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    findings, features, feature_map, lungs = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        expected = network(film)
    np.testing.assert_allclose(findings, expected.findings.numpy(), atol=1e-4)
    np.testing.assert_allclose(features, expected.features.numpy(), atol=1e-4)
    np.testing.assert_allclose(feature_map, expected.feature_map.numpy(), atol=1e-3)
    np.testing.assert_allclose(lungs, expected.lungs.sigmoid().numpy(), atol=1e-4)


def test_a_network_beside_stands_behind_and_once_more_in_the_lungs_alone() -> None:
    import onnxruntime

    network, beside = _network(0), _network(1)
    film = torch.randn(2, 1, 64, 64)
    model = to_onnx(network, 64, mirrored=False, beside=beside)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    findings, features, feature_map, lungs = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        first, second = network(film), beside(film)
    lung = second.lungs.sigmoid().sum(1, keepdim=True)
    weighed = (second.feature_map * lung).sum((2, 3)) / lung.sum((2, 3))
    expected = torch.cat([first.features, second.features, weighed], 1)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(features, feature_map.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(findings, second.findings.numpy(), atol=1e-4)
    weight, bias = findings_layer(network, beside)
    np.testing.assert_allclose(findings, features @ weight.numpy().T + bias.numpy(), atol=1e-4)
    both = ((first.lungs + second.lungs) / 2).sigmoid()
    np.testing.assert_allclose(lungs, both.numpy(), atol=1e-4)


def test_frozen_stages_that_networks_share_are_computed_once() -> None:
    first = _network(0)
    first.trunk.stem[0].weight.data[0, 0, 0, 0] = -0.0
    second = mean_network([first, copy.deepcopy(first)])
    torch.nn.init.normal_(second.blend[0].weight)
    alone = to_onnx(first, 64, mirrored=False)
    both = to_onnx(first, 64, mirrored=False, beside=second)
    # Its last layer and its map in the lungs; weights of that layer, of both lungs' logits, ones.
    assert len(both.graph.node) == len(alone.graph.node) + 8
    assert len(both.graph.initializer) == len(alone.graph.initializer) + 3


def test_the_lung_network_is_exported_as_it_is() -> None:
    import onnxruntime

    torch.manual_seed(0)
    net = LungNet((4, 8)).eval()
    film = torch.randn(2, 1, 32, 32)
    session = onnxruntime.InferenceSession(lungs_to_onnx(net, 32).SerializeToString())
    (logits,) = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, net(film).numpy(), atol=1e-4)


def test_a_mirrored_film_gets_the_mirrored_map() -> None:
    import onnxruntime

    network = _network()
    film = torch.randn(2, 1, 64, 64)
    model = to_onnx(network, 64, mirrored=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    features, feature_map = session.run(["features", "feature_map"], {"film": film.numpy()})
    mirrored = np.ascontiguousarray(film.numpy()[..., ::-1])
    other, other_map = session.run(["features", "feature_map"], {"film": mirrored})
    np.testing.assert_allclose(features, other, atol=1e-5)
    np.testing.assert_allclose(feature_map, other_map[..., ::-1], atol=1e-4)
    with torch.inference_mode():
        expected = (network(film).features + network(film.flip(3)).features) / 2
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    plain = to_onnx(network, 64, mirrored=False)
    assert model.ByteSize() < 1.2 * plain.ByteSize() + 70_000


def test_heads_on_pooled_features_give_the_summed_contributions() -> None:
    network = _network()
    coefficients, intercepts = severity_coefficients(network)
    with torch.inference_mode():
        output = network(torch.randn(4, 1, 64, 64))
    scores = output.features @ coefficients.T + intercepts
    torch.testing.assert_close(scores, output.contributions.sum((2, 3)), atol=1e-4, rtol=1e-4)
