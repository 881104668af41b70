"""The trunk: its published weights, its padding, and what stays frozen."""

import copy

import pytest
import torch

from pneumoscore.errors import ModelError
from training.trunk import Convolution, Trunk
from training.trunk_shape import TrunkShape, trunk_shape

PARAMETERS = {"efficientnet-lite0": 4_652_008, "efficientnet-lite2": 6_092_072}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_published_weights_fill_the_whole_trunk(name: str) -> None:
    torch.manual_seed(0)
    first, second = Trunk(trunk_shape(name)), Trunk(trunk_shape(name))
    for value in second.state_dict().values():
        value.add_(1)
    first.load_published()
    second.load_published()
    for key, value in first.state_dict().items():
        if "num_batches_tracked" not in key:
            assert torch.equal(value, second.state_dict()[key]), key
    # All published parameters but the classifier's, and two of the stem's three colours.
    classifier = 1280 * first.deep_width + 2 * 1280 + 1281 * 1000
    trained = sum(parameter.numel() for parameter in first.parameters())
    assert trained == PARAMETERS[name] - classifier - 2 * 32 * 9


def test_maps_have_a_sixteenth_and_a_thirty_second_of_the_size() -> None:
    trunk = Trunk(trunk_shape("efficientnet-lite0")).eval()
    with torch.inference_mode():
        fine, deep = trunk(torch.randn(1, 1, 64, 64))
    assert fine.shape == (1, trunk.fine_width, 4, 4)
    assert deep.shape == (1, trunk.deep_width, 2, 2)


@pytest.mark.parametrize(("kernel", "before", "after"), [(3, 0, 1), (5, 1, 2)])
def test_the_odd_zero_of_a_stride_comes_after(kernel: int, before: int, after: int) -> None:
    torch.manual_seed(1)
    convolution = Convolution(2, 3, kernel, 2).eval()
    x = torch.randn(1, 2, 8, 8)
    with torch.inference_mode():
        padded = torch.nn.functional.pad(x, (before, after, before, after))
        expected = convolution[1](
            torch.nn.functional.conv2d(padded, convolution[0].weight, stride=2)
        )
        torch.testing.assert_close(convolution(x), expected, atol=1e-5, rtol=1e-5)


def test_what_is_frozen_does_not_move() -> None:
    torch.manual_seed(2)
    trunk = Trunk(TrunkShape("tiny", 0.25, 1.0, "", "", ""))
    trunk.freeze(2)
    before = copy.deepcopy(trunk.state_dict())
    trunk.train()
    optimizer = torch.optim.SGD([p for p in trunk.parameters() if p.requires_grad], lr=0.1)
    fine, deep = trunk(torch.randn(4, 1, 64, 64))
    torch.autograd.backward(fine.square().mean() + deep.square().mean())
    optimizer.step()
    moved = {k for k, value in trunk.state_dict().items() if not torch.equal(value, before[k])}
    assert moved
    assert not any(key.startswith(("stem", "stages.0", "stages.1")) for key in moved)
    assert any(key.startswith("stages.2") for key in moved)


def test_unknown_shapes_and_missing_packages_are_named() -> None:
    with pytest.raises(ModelError, match="efficientnet-lite0"):
        trunk_shape("resnet")
    with pytest.raises(ModelError, match="not installed"):
        Trunk(TrunkShape("tiny", 0.25, 1.0, "no_such_package", "x.pth", "")).load_published()
