"""Heads of a network and of the one beside it: each film by what did not see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from training.heads import ScoredTable, fit_heads
from training.network import SeverityNetwork
from training.trunk import Trunk
from training.trunk_shape import TrunkShape


def _tiny(seed: int) -> SeverityNetwork:
    torch.manual_seed(seed)
    return SeverityNetwork(2, Trunk(TrunkShape("tiny", 0.25, 1.0, "", "", "")), 32).eval()


def test_each_film_is_predicted_by_what_did_not_see_it() -> None:
    network, beside = _tiny(0), _tiny(1)
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3 * 32)).astype(np.float32)
    films = ScoredTable(
        random.normal(size=(60, 2)) + 3, np.arange(60) % 3, random.normal(size=(60, 2))
    )
    found = fit_heads(features, films, network, beside, 0.25)
    # A changed label does not change what is said of its own film, nor of its part.
    changed = films.targets.copy()
    changed[0] += 5
    other = fit_heads(features, replace(films, targets=changed), network, beside, 0.25)
    own = films.parts == 0
    np.testing.assert_allclose(other.held_out[own], found.held_out[own])
    assert np.abs(other.held_out[films.parts == 1] - found.held_out[films.parts == 1]).max() > 1e-3
    alone = fit_heads(features, films, network, beside, 1.0)
    np.testing.assert_allclose(found.held_out, 0.75 * films.fine_tuned + 0.25 * alone.held_out)
    # What is shipped: the fine-tuned network's own scores, and the ridge of all parts.
    weight, bias = network.severity.weight[:, :, 0, 0] * 8, network.severity.bias
    assert bias is not None
    scores = torch.from_numpy(features[:, :32]) @ weight.T + bias * 8
    joined = features @ found.coefficients.T + found.intercepts
    ridge = features @ alone.coefficients.T + alone.intercepts
    np.testing.assert_allclose(
        joined, 0.75 * scores.detach().numpy() + 0.25 * ridge, rtol=1e-4, atol=1e-4
    )
