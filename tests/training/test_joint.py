"""Networks trained side by side: each without its own part, resumed exactly, joined in heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pneumoscore.errors import ModelError
from training.augment import Augmentation
from training.checkpoints import averaged_members, mean_network, write_start
from training.config import StreamConfig, read_config
from training.films import FilmArrays
from training.finding_targets import FINDINGS
from training.joint import networks_to_begin_from, teacher_of, train_joint
from training.network import SeverityNetwork, channels_last
from training.streams import FilmStream, draw_views
from training.train import TrainingRun
from training.trunk import Trunk
from training.trunk_shape import TrunkShape, trunk_shape

CONFIGS = Path(__file__).parents[2] / "training" / "configs"


def _stream(parts: np.ndarray) -> FilmStream:
    count, size = len(parts), 32
    return FilmStream(
        name="scored",
        films=FilmArrays(
            np.zeros((count, size, size), dtype=np.uint8),
            np.tile(np.array([[0, 0, 1, 1]], dtype=np.float32), (count, 1)),
            tuple(str(row) for row in range(count)),
        ),
        per_batch=24,
        findings=np.full((count, 2), np.nan, dtype=np.float32),
        # The extent is the part, so that a batch tells whose films it holds.
        totals=np.stack([parts, parts], 1).astype(np.float32),
        sides=np.full((count, 2, 2), np.nan, dtype=np.float32),
        parts=parts,
    )


def test_no_network_gets_a_film_of_its_own_part() -> None:
    parts = np.array([0, 1, 2, -1] * 4)
    generator = torch.Generator().manual_seed(0)
    views = draw_views([_stream(parts)], Augmentation(size=32), 0, generator)
    for part in (0, 1, 2):
        batch, kept = views.for_network(part, held_out=part)
        assert 0 < len(batch.films) == int(kept.sum()) < 24
        assert part not in batch.totals[:, 0].tolist()
    whole, kept = views.for_network(0)
    assert len(whole.films) == 24
    assert kept.all()


def _tiny(seed: int) -> SeverityNetwork:
    torch.manual_seed(seed)
    return SeverityNetwork(2, Trunk(TrunkShape("tiny", 0.25, 1.0, "", "", "")), 32).eval()


def test_the_mean_network_lies_between_those_that_it_is_the_mean_of() -> None:
    first, second = _tiny(0), _tiny(0)
    with torch.no_grad():
        for value in second.parameters():
            value.mul_(1.01)
    mean = mean_network([first, second])
    films = torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        low, middle, high = (
            network(films).contributions.sum((2, 3)) for network in (first, mean, second)
        )
    torch.testing.assert_close(middle, (low + high) / 2, rtol=0.02, atol=1e-3)
    assert not torch.equal(low, high)
    # The networks themselves are left as they are.
    assert torch.equal(first.severity.weight * 1.01, second.severity.weight)


def test_a_teacher_of_other_parts_is_refused(tmp_path: Path) -> None:
    config = replace(
        read_config(CONFIGS / "severity.toml"), folds=4, teacher="two.pt", teacher_places=""
    )
    network = SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(config.trunk)))
    two = {"averages": [network.state_dict()] * 2, "trunk": config.trunk}
    torch.save(two, tmp_path / "two.pt")
    # It would be taught by what saw the films that it keeps out.
    with pytest.raises(ModelError, match="2 parts"):
        teacher_of(TrainingRun(tmp_path / "severity", config), tmp_path)


def test_networks_go_on_from_those_of_their_own_parts(tmp_path: Path) -> None:
    config = replace(
        read_config(CONFIGS / "severity.toml"), folds=2, members="two.pt", frozen_stages=3
    )
    network = SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(config.trunk)))
    states = [network.state_dict(), SeverityNetwork(len(FINDINGS), network.trunk).state_dict()]
    torch.save({"averages": states, "trunk": config.trunk}, tmp_path / "two.pt")
    begun = networks_to_begin_from(TrainingRun(tmp_path / "severity", config))
    for state, member in zip(states, begun, strict=True):
        assert torch.equal(member.severity.weight, state["severity.weight"])
    assert not torch.equal(begun[0].severity.weight, begun[1].severity.weight)
    with torch.no_grad():
        states[1]["trunk.stem.0.weight"] = states[1]["trunk.stem.0.weight"] + 0.1
    torch.save({"averages": states, "trunk": config.trunk}, tmp_path / "two.pt")
    # What the first network's frozen stages give stands for all.
    with pytest.raises(ModelError, match="3 stages"):
        networks_to_begin_from(TrainingRun(tmp_path / "severity", config))
    # In four parts each would go on from what saw the films that it keeps out.
    with pytest.raises(ModelError, match="2 parts"):
        networks_to_begin_from(TrainingRun(tmp_path / "severity", replace(config, folds=4)))


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_resumed_joint_run_equals_an_unbroken_one(shared_data: Path, tmp_path: Path) -> None:
    config = replace(
        read_config(CONFIGS / "smoke.toml"),
        joint=True,
        folds=2,
        frozen_stages=5,
        margin=1.1,
        steps=3,
        checkpoint_every=2,
        taught_after=1,
        limit=8,
        start="start.pt",
        streams=StreamConfig(scored=3, zoned=2, unscored=2, ordinal=2, boxed=2, boxed_lungs=2),
        augmentation=Augmentation(size=64, shown=0.8333),
    )
    torch.manual_seed(0)
    start = channels_last(SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(config.trunk))))
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
        torch.save(
            {"average": start.state_dict(), "trunk": config.trunk}, tmp_path / name / "start.pt"
        )
    whole = TrainingRun(tmp_path / "whole" / "smoke", config)
    train_joint(whole, shared_data)
    broken = TrainingRun(tmp_path / "broken" / "smoke", config)

    class _CutError(Exception):
        pass

    def cut(step: int, steps: int) -> None:
        if step == 2:
            raise _CutError

    with pytest.raises(_CutError):
        train_joint(broken, shared_data, on_step=cut)
    train_joint(broken, shared_data)
    first, second = (averaged_members(run.checkpoint, 5) for run in (whole, broken))
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    write_start(whole.folder.parent, config, tmp_path / "kept.pt")
    for one, kept in zip(first, averaged_members(tmp_path / "kept.pt", 5), strict=True):
        assert torch.allclose(one.severity.weight, kept.severity.weight, rtol=1e-3, atol=1e-4)
    # The frozen stages are shared; what follows differs, since each saw other films.
    assert torch.equal(first[0].trunk.stem[0].weight, start.trunk.stem[0].weight)
    assert not torch.equal(first[0].severity.weight, first[1].severity.weight)
