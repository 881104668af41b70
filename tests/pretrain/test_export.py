"""The exported graph computes what the trained network computes."""

import numpy as np
import torch

from pneumoscore.pretrain.export import to_onnx
from pneumoscore.pretrain.network import NetworkShape, SeverityNetwork, severity_coefficients


def _network() -> SeverityNetwork:
    torch.manual_seed(0)
    network = SeverityNetwork(
        5, NetworkShape(8, (16, 16, 32, 48), (1, 1, 2, 1), group_width=8, feature_width=32)
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    network.train()
    for _ in range(3):
        network(torch.randn(8, 1, 64, 64))
    return network.eval()


def test_onnx_equals_torch() -> None:
    import onnxruntime

    network = _network()
    film = torch.randn(3, 1, 64, 64)
    session = onnxruntime.InferenceSession(to_onnx(network, 64, mirrored=False).SerializeToString())
    findings, features, feature_map, lungs = session.run(None, {"film": film.numpy()})
    with torch.inference_mode():
        expected = network(film)
    np.testing.assert_allclose(findings, expected.findings.numpy(), atol=1e-4)
    np.testing.assert_allclose(features, expected.features.numpy(), atol=1e-4)
    np.testing.assert_allclose(feature_map, expected.feature_map.numpy(), atol=1e-3)
    np.testing.assert_allclose(lungs, expected.lungs.sigmoid().numpy(), atol=1e-4)


def test_a_mirrored_film_gets_the_mirrored_map() -> None:
    import onnxruntime

    network = _network()
    film = torch.randn(2, 1, 64, 64)
    model = to_onnx(network, 64)
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
