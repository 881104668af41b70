"""Checkpoints: written whole, and the networks that are read from them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pneumoscore.errors import ModelError
from pneumoscore.files import written_atomically
from training.config import TrainingConfig
from training.finding_targets import FINDINGS
from training.network import SeverityNetwork, channels_last
from training.trunk import Trunk
from training.trunk_shape import trunk_shape

__all__ = [
    "averaged_members",
    "averaged_network",
    "load_network",
    "mean_network",
    "save_atomically",
    "write_start",
]


def save_atomically(values: Any, path: Path) -> None:
    """Write a PyTorch file so that a cut-off leaves the old one whole."""
    with written_atomically(path) as file:
        torch.save(values, file)


def load_network(network: SeverityNetwork, state: Mapping[str, Tensor]) -> None:
    """Load a network; one trained before there were ordinal classes keeps its random head."""
    own = network.state_dict()
    network.load_state_dict(
        {name: state.get(name, own[name]) for name in own | dict(state)}, strict=True
    )


def averaged_network(checkpoint: Path) -> SeverityNetwork:
    """Return the averaged network of a checkpoint, in evaluation mode."""
    if not checkpoint.is_file():
        raise ModelError(f"no checkpoint at {checkpoint}", "a trained network", "train it first")
    state = torch.load(checkpoint, weights_only=True)
    network = SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(state["trunk"])))
    load_network(network, state["average"])
    return channels_last(network).eval()


def averaged_members(checkpoint: Path, frozen_stages: int) -> list[SeverityNetwork]:
    """Return the averaged networks of a checkpoint, in evaluation mode, by held-out part.

    Raises
    ------
    ModelError
        If there is no checkpoint.
    """
    if not checkpoint.is_file():
        raise ModelError(
            f"no checkpoint at {checkpoint}",
            "cross-validated networks",
            "run `python -m training crossvalidate severity` first",
        )
    state = torch.load(checkpoint, weights_only=True)
    networks = []
    for average in state["averages"]:
        network = SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(state["trunk"])))
        load_network(network, average)
        network.trunk.freeze(frozen_stages)
        networks.append(channels_last(network).eval())
    return networks


def mean_network(networks: Sequence[SeverityNetwork]) -> SeverityNetwork:
    """Return one network with the mean of the weights of several that began alike.

    It says nearly what they say on average (Wortsman et al. 2022, "Model soups", section 2), at
    the cost of one: `python -m training soup` prints how nearly.
    """
    mean = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    for name, value in mean.state_dict().items():
        if value.dtype.is_floating_point:
            value.copy_(torch.stack([state[name] for state in states]).mean(0))
    return mean


def write_start(runs: Path, config: TrainingConfig, path: Path) -> None:
    """Write a run's averaged networks alone, at half precision, for later runs to start from.

    Parameters
    ----------
    runs : Path
        Folder of the training runs.
    config : TrainingConfig
        Of one network or of several side by side.
    path : Path
        File to write; `TrainingConfig.start` and `averaged_network`, or `TrainingConfig.teacher`
        and `averaged_members`, take it as a checkpoint.

    Raises
    ------
    ModelError
        If a checkpoint is missing.
    """
    if config.joint:
        members = averaged_members(runs / config.name / "checkpoint.pt", config.frozen_stages)
        kept: dict[str, Any] = {"averages": [_halved(each.state_dict()) for each in members]}
    else:
        network = averaged_network(runs / config.name / "checkpoint.pt")
        kept = {"average": _halved(network.state_dict())}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_atomically({**kept, "trunk": config.trunk}, path)


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in state.items()
    }
