"""The exported graph computes what the trained networks compute."""

import copy

import numpy as np
import pytest
import torch

from training.export import NetworkRole, lungs_to_onnx, to_onnx
from training.lungs import LungNet
from training.network import SeverityNetwork, severity_coefficients
from training.trunk import Trunk
from training.trunk_shape import TrunkShape

PLAIN = NetworkRole(mirrored=False)


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
    model = to_onnx([network], 64, [PLAIN])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    findings, features, feature_map, lungs = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        expected = network(film)
    np.testing.assert_allclose(findings, expected.findings.numpy(), atol=1e-4)
    np.testing.assert_allclose(features, expected.features.numpy(), atol=1e-4)
    np.testing.assert_allclose(feature_map, expected.feature_map.numpy(), atol=1e-3)
    np.testing.assert_allclose(lungs, expected.lungs.sigmoid().numpy(), atol=1e-4)


def test_joined_networks_give_the_mean_of_their_scores() -> None:
    import onnxruntime

    networks = [_network(0), _network(1, width=64)]
    film = torch.randn(3, 1, 64, 64)
    model = to_onnx(networks, 64, [PLAIN] * len(networks))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    findings, features, feature_map, lungs = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        outputs = [network(film) for network in networks]
    assert feature_map.shape[1] == features.shape[1] == 96
    mean = torch.stack([output.findings for output in outputs]).mean(0)
    np.testing.assert_allclose(findings, mean.numpy(), atol=1e-4)
    mean = torch.stack([output.lungs for output in outputs]).mean(0).sigmoid()
    np.testing.assert_allclose(lungs, mean.numpy(), atol=1e-4)
    coefficients, intercepts = severity_coefficients(networks)
    scores = torch.from_numpy(features) @ coefficients.T + intercepts
    mean = torch.stack([output.contributions.sum((2, 3)) for output in outputs]).mean(0)
    np.testing.assert_allclose(scores.numpy(), mean.numpy(), atol=1e-4)


def test_frozen_stages_that_networks_share_are_computed_once() -> None:
    first = _network(0)
    second = copy.deepcopy(first)
    first.trunk.freeze(5)
    torch.nn.init.normal_(second.blend[0].weight)
    alone, both = (
        to_onnx(networks, 64, [PLAIN] * len(networks)) for networks in ([first], [first, second])
    )
    assert len(both.graph.node) < len(alone.graph.node) + 8
    assert len(both.graph.initializer) < len(alone.graph.initializer) + 6


def test_findings_can_be_those_of_one_network() -> None:
    import onnxruntime

    networks = [_network(0), _network(1)]
    model = to_onnx(networks, 64, [NetworkRole(mirrored=False, findings=0.0), PLAIN])
    film = torch.randn(2, 1, 64, 64)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (findings,) = session.run(["findings"], {"film": film.numpy()})
    with torch.inference_mode():
        expected = networks[1](film).findings.numpy()
    np.testing.assert_allclose(findings, expected, atol=1e-4)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_map_of_the_lungs_alone_stands_behind_a_networks_own(mirrored: bool) -> None:
    import onnxruntime

    networks = [_network(0), _network(1)]
    roles = [PLAIN, NetworkRole(mirrored=mirrored, by_lungs=True)]
    film = torch.randn(2, 1, 64, 64)
    session = onnxruntime.InferenceSession(to_onnx(networks, 64, roles).SerializeToString())
    findings, features, feature_map, _ = session.run(None, {"film": film.numpy()})

    def seen(shown: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        output = networks[1](shown)
        lung = output.lungs.sigmoid().sum(1, keepdim=True)
        weighed = (output.feature_map * lung).sum((2, 3)) / lung.sum((2, 3))
        return output.features, weighed

    with torch.inference_mode():
        first, views = networks[0](film), [seen(film)]
        if mirrored:
            views.append(seen(film.flip(3)))
        own, weighed = (torch.stack(parts).mean(0) for parts in zip(*views, strict=True))
        stated = (networks[0].findings(first.features) + networks[1].findings(own)) / 2
    expected = torch.cat([first.features, own, weighed], 1)
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(features, feature_map.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(findings, stated.numpy(), atol=1e-4)


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
    model = to_onnx([network], 64)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    features, feature_map = session.run(["features", "feature_map"], {"film": film.numpy()})
    mirrored = np.ascontiguousarray(film.numpy()[..., ::-1])
    other, other_map = session.run(["features", "feature_map"], {"film": mirrored})
    np.testing.assert_allclose(features, other, atol=1e-5)
    np.testing.assert_allclose(feature_map, other_map[..., ::-1], atol=1e-4)
    with torch.inference_mode():
        expected = (network(film).features + network(film.flip(3)).features) / 2
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-4)
    plain = to_onnx([network], 64, [PLAIN])
    assert model.ByteSize() < 1.2 * plain.ByteSize() + 70_000


def test_heads_on_pooled_features_give_the_summed_contributions() -> None:
    network = _network()
    coefficients, intercepts = severity_coefficients([network])
    with torch.inference_mode():
        output = network(torch.randn(4, 1, 64, 64))
    scores = output.features @ coefficients.T + intercepts
    torch.testing.assert_close(scores, output.contributions.sum((2, 3)), atol=1e-4, rtol=1e-4)
