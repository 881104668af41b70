"""The networks of a cross-validation, trained side by side on the same views.

Each network keeps out one part of the scored patients: its films are taken out of its batches.
The frozen first stages, the changes of films and the painting are computed once for all. The
networks differ in the films they saw; the mean of their weights is what is shipped, and the
residuals of each on its own part make the intervals.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumoscore.errors import ModelError
from training.checkpoints import averaged_members, averaged_network, save_atomically
from training.config import TrainingConfig
from training.exclusions import find_exclusions
from training.finding_targets import FINDINGS
from training.joined_teacher import JoinedTeacher, TeacherNetworks
from training.kept import KeptOnDisk
from training.losses import side_sums, training_loss
from training.network import SeverityNetwork, channels_last
from training.precision import mixed_precision
from training.sources import TrainingFilms
from training.streams import FilmStream, draw_views
from training.train import (
    TrainingRun,
    claim_folder,
    learning_rate,
    move_average,
    parameter_groups,
    prepare_lung_net,
)
from training.training_log import append_line, averaged_parts, truncate_log

__all__ = ["networks_to_begin_from", "teacher_of", "train_joint"]

_LOGGER = logging.getLogger(__name__)


def _check_frozen(network: SeverityNetwork, first: SeverityNetwork, config: TrainingConfig) -> None:
    """Refuse networks whose frozen stages differ: those of one are computed for all."""
    probe = torch.linspace(-1, 1, 64 * 64).view(1, 1, 64, 64)
    with torch.no_grad():
        if torch.equal(network.trunk.before(probe), first.trunk.before(probe)):
            return
    raise ModelError(
        f"the first {config.frozen_stages} stages of the networks of {config.members} differ",
        "the same in all, as where they were frozen",
        "freeze no more stages than the run that made them did",
    )


def networks_to_begin_from(run: TrainingRun) -> list[SeverityNetwork]:
    """Return what the networks of a run begin from: one for all, or each its own part's.

    Raises
    ------
    ModelError
        If there is no checkpoint, or it is of other parts or another trunk.
    """
    config = run.config
    if config.members:
        begun = averaged_members(run.sibling(config.members), config.frozen_stages)
        if len(begun) != config.folds:
            raise ModelError(
                f"{config.members} has {len(begun)} parts",
                f"{config.folds}, those of the networks that begin from it",
                "cross-validate both with the same --folds",
            )
    else:
        first = averaged_network(run.sibling(config.start))
        first.trunk.freeze(config.frozen_stages)
        begun = [copy.deepcopy(first) for _ in range(config.folds)]
    for network in begun:
        _check_frozen(network, begun[0], config)
        if network.trunk.shape.name != config.trunk:
            raise ModelError(
                f"{config.members or config.start} has the trunk {network.trunk.shape.name}",
                config.trunk,
                "begin from a network of the same trunk",
            )
    return begun


class _Members:
    """State of a run: one network and average for each part, optimiser, randomness, step."""

    def __init__(self, run: TrainingRun) -> None:
        config = run.config
        self.run = run
        torch.manual_seed(config.seed)
        begun = networks_to_begin_from(run)
        self.networks = [channels_last(network) for network in begun]
        self.averages = [channels_last(copy.deepcopy(network)).eval() for network in begun]
        self.optimizers = [
            torch.optim.AdamW(parameter_groups(network, config.weight_decay), betas=(0.9, 0.98))
            for network in self.networks
        ]
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0

    def resume(self) -> None:
        if not self.run.checkpoint.is_file():
            return
        state = torch.load(self.run.checkpoint, weights_only=True)
        for index in range(len(self.networks)):
            self.networks[index].load_state_dict(state["networks"][index])
            self.averages[index].load_state_dict(state["averages"][index])
            self.optimizers[index].load_state_dict(state["optimizers"][index])
        self.generator.set_state(state["generator"])
        self.step = state["step"]
        _LOGGER.info("resumed at step %d", self.step)

    def save(self) -> None:
        save_atomically(
            {
                "networks": [network.state_dict() for network in self.networks],
                "averages": [network.state_dict() for network in self.averages],
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "generator": self.generator.get_state(),
                "step": self.step,
                "trunk": self.run.config.trunk,
            },
            self.run.checkpoint,
        )

    def _frozen(self, films: Tensor) -> Tensor:
        with torch.no_grad(), mixed_precision():
            before: Tensor = self.networks[0].trunk.before(
                films.contiguous(memory_format=torch.channels_last)
            )
        return before

    def teach(self, films: Tensor, lungs: Tensor) -> Tensor:
        """Scores of each lung by each averaged network."""
        before = self._frozen(films)
        scores = []
        with torch.no_grad(), mixed_precision():
            for network in self.averages:
                contributions = network.after(before).contributions.float()
                places = F.adaptive_avg_pool2d(lungs, contributions.shape[-1])
                scores.append(side_sums(contributions, places).clamp(0, 4))
        return torch.stack(scores)

    def advance(self, streams: list[FilmStream]) -> dict[str, float]:
        config = self.run.config
        rate = learning_rate(self.step, config)
        teacher = self.teach if self.step >= config.taught_after else None
        column = FINDINGS.index("Lung Opacity")
        views = draw_views(streams, config.augmentation, column, self.generator, teacher)
        before = self._frozen(views.common.films)
        decay = min(config.averaging, (1 + self.step) / (10 + self.step))
        found = []
        for part, network in enumerate(self.networks):
            batch, kept = views.for_network(part, held_out=part)
            network.train()
            with mixed_precision():
                output = network.after(before[kept])
            loss, parts = training_loss(output, batch, config.losses)
            optimizer = self.optimizers[part]
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            move_average(self.averages[part].state_dict(), network, decay)
            found.append({"loss": float(loss.detach()), **parts})
        self.step += 1
        return averaged_parts(found)


def teacher_of(run: TrainingRun, data: Path) -> JoinedTeacher | None:
    """Return what scores a run's unscored films once and for all, if its configuration says so.

    Raises
    ------
    ModelError
        If the teacher was not cross-validated in as many parts.
    """
    config = run.config
    if not config.teacher:
        return None
    taught = {config.teacher: averaged_members(run.sibling(config.teacher), 0)}
    if config.teacher_places:
        taught[config.teacher_places] = averaged_members(run.sibling(config.teacher_places), 0)
    for name, members in taught.items():
        if len(members) != config.folds:
            raise ModelError(
                f"the teacher {name} has {len(members)} parts",
                f"{config.folds}, those of the networks that it teaches",
                "cross-validate both with the same --folds",
            )
    networks = TeacherNetworks(
        taught[config.teacher],
        averaged_network(run.sibling(config.start)),
        taught.get(config.teacher_places, ()),
    )
    return JoinedTeacher(networks, data, config)


def train_joint(
    run: TrainingRun, data: Path, *, on_step: Callable[[int, int], None] | None = None
) -> Path:
    """Train the networks of a cross-validation, from the last checkpoint if there is one.

    Parameters
    ----------
    run : TrainingRun
        With `folds` parts in its configuration.
    data : Path
        Data folder.
    on_step : callable, optional
        Called with the step and the number of steps.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    ModelError
        If the folder holds a checkpoint of another configuration, or the start is missing or of
        another trunk.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    claim_folder(run)
    members = _Members(run)
    members.resume()
    truncate_log(run.log, members.step)
    config: TrainingConfig = run.config
    if members.step >= config.steps:
        return run.checkpoint
    exclusions = find_exclusions(data)
    lung_net = prepare_lung_net(data, run.sibling("lungs.pt"), config, exclusions)
    kept = KeptOnDisk(run.sibling("outlines"), lung_net, teacher_of(run, data))
    streams = TrainingFilms(data, config, exclusions, kept).streams()
    window: list[dict[str, float]] = []
    started = time.monotonic()
    while members.step < config.steps:
        window.append(members.advance(streams))
        if members.step % 10 == 0:
            line = {"step": members.step, **averaged_parts(window)}
            append_line(run.log, {key: round(value, 5) for key, value in line.items()})
            _LOGGER.info("%s (%.0f s)", line, time.monotonic() - started)
            window = []
        if members.step % config.checkpoint_every == 0 or members.step == config.steps:
            members.save()
        if on_step:
            on_step(members.step, config.steps)
    return run.checkpoint
