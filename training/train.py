"""The training loop: batches, checkpoints, exact resume, a log."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import InputSpec, PixelRange, Squaring
from training.checkpoints import load_network, save_atomically
from training.config import TrainingConfig
from training.exclusions import Exclusions, find_exclusions
from training.finding_targets import FINDINGS
from training.kept import KeptOnDisk
from training.losses import side_sums, training_loss
from training.lungs import LungNet, lung_training_films, train_lung_net
from training.network import SeverityNetwork, channels_last
from training.precision import mixed_precision
from training.sources import TrainingFilms
from training.streams import draw_batch
from training.training_log import append_line, averaged_parts, truncate_log
from training.trunk import Trunk
from training.trunk_shape import trunk_shape

__all__ = [
    "TrainingRun",
    "prepare_lung_net",
    "train",
]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """Where a training run lives.

    Attributes
    ----------
    folder : Path
        Holds ``checkpoint.pt``, ``log.csv`` and ``config.json``.
    config : TrainingConfig
        What is trained.
    """

    folder: Path
    config: TrainingConfig

    @property
    def checkpoint(self) -> Path:
        """The last state."""
        return self.folder / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """One line for each tenth batch."""
        return self.folder / "log.csv"

    def sibling(self, name: str) -> Path:
        """Path of another run's file, given relative to the runs' folder."""
        return self.folder.parent / name


def prepare_lung_net(
    data: Path, path: Path, config: TrainingConfig, exclusions: Exclusions
) -> LungNet:
    """Load the lung network at `path`, or train and save it.

    It sees lung masks of patients without any scored film only.
    """
    net = channels_last(LungNet())
    if path.is_file():
        net.load_state_dict(torch.load(path, weights_only=True)["network"])
        return net.eval()
    whole = InputSpec(config.size, Squaring.PAD, PixelRange.UNIT)
    films, masks = lung_training_films(data, exclusions.of_any_scored_patient, whole, config.limit)
    net, dice = train_lung_net(films, masks, steps=config.lung_steps, seed=0, batch=12)
    _LOGGER.info("lung network: Dice %.3f on films kept aside", dice)
    save_atomically({"network": net.state_dict(), "dice": dice}, path)
    return net


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the rate at a step: rising over the warm-up, then falling as a cosine."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, (config.schedule or config.steps) - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def parameter_groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return what is trained, for an optimiser: only matrices decay."""
    trained = [p for p in network.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim > 1]
    vectors = [p for p in trained if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def move_average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move averaged weights towards those of a network."""
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].lerp_(value.detach(), 1 - decay)
        else:
            average[name].copy_(value)


class _Trainer:
    """State of one run: network, average, optimiser, randomness, position."""

    def __init__(self, run: TrainingRun) -> None:
        config = run.config
        self.run = run
        torch.manual_seed(config.seed)
        trunk = Trunk(trunk_shape(config.trunk))
        self.network = channels_last(SeverityNetwork(len(FINDINGS), trunk))
        if config.start:
            state = torch.load(run.sibling(config.start), weights_only=True)
            if state.get("trunk") != config.trunk:
                raise ModelError(
                    f"{config.start} has the trunk {state.get('trunk')}",
                    config.trunk,
                    "begin from a network of the same trunk",
                )
            load_network(self.network, state["average"])
        else:
            trunk.load_published()
        trunk.freeze(config.frozen_stages)
        self.averaged = SeverityNetwork(len(FINDINGS), Trunk(trunk_shape(config.trunk)))
        self.averaged = channels_last(self.averaged).eval()
        self.averaged.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, config.weight_decay), betas=(0.9, 0.98)
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0

    def resume(self) -> None:
        if not self.run.checkpoint.is_file():
            return
        state = torch.load(self.run.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]
        _LOGGER.info("resumed at step %d", self.step)

    def save(self) -> None:
        save_atomically(
            {
                "network": self.network.state_dict(),
                "average": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "step": self.step,
                "trunk": self.run.config.trunk,
            },
            self.run.checkpoint,
        )

    def _teach(self, films: Tensor, lungs: Tensor) -> Tensor:
        """Scores of each lung by the averaged network, over the film and its mirror image."""
        both = torch.cat([films, films.flip(3)]).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), mixed_precision():
            contributions = self.averaged(both).contributions.float()
        places = F.adaptive_avg_pool2d(lungs, contributions.shape[-1])
        mirrored = places.flip(1, 3)
        directly, mirror = side_sums(contributions, torch.cat([places, mirrored])).chunk(2)
        return ((directly + mirror.flip(1)) / 2).clamp(0, 4)[None]

    def advance(self, films: list[Any]) -> tuple[float, dict[str, float]]:
        config = self.run.config
        rate = learning_rate(self.step, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        opacity_column = FINDINGS.index("Lung Opacity")
        teacher = self._teach if self.step >= config.taught_after else None
        batch = draw_batch(films, config.augmentation, opacity_column, self.generator, teacher)
        self.network.train()
        with mixed_precision():
            output = self.network(batch.films.contiguous(memory_format=torch.channels_last))
        loss, parts = training_loss(output, batch, config.losses)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        # Early on the average would remember the random start for too long.
        decay = min(config.averaging, (1 + self.step) / (10 + self.step))
        move_average(self.averaged.state_dict(), self.network, decay)
        self.step += 1
        return float(loss.detach()), parts


def _with_defaults(kept: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with what its time did not know yet as it was then."""
    plain = TrainingConfig(name="", version="", description="", steps=0).to_dict()
    return {
        key: {**value, **kept.get(key, {})} if isinstance(value, dict) else kept.get(key, value)
        for key, value in plain.items()
    } | {key: value for key, value in kept.items() if key not in plain}


def claim_folder(run: TrainingRun) -> None:
    """Write the configuration, unless a checkpoint of another one is there."""
    kept = run.folder / "config.json"
    described = json.dumps(run.config.to_dict(), indent=1)
    if run.checkpoint.is_file() and kept.is_file():
        wanted = json.loads(described)
        before = _with_defaults(json.loads(kept.read_text("utf-8")))
        changed = sorted(key for key in before | wanted if before.get(key) != wanted.get(key))
        if changed:
            raise ModelError(
                f"{run.folder} was begun with another configuration ({', '.join(changed)} differ)",
                "the configuration of its checkpoint",
                "move the folder away, or choose another with --runs",
            )
    kept.write_text(described, "utf-8")


def train(
    run: TrainingRun,
    data: Path,
    *,
    stop_after: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train, from the last checkpoint if there is one, to the configuration's last step.

    Parameters
    ----------
    run : TrainingRun
        Configuration and folder.
    data : Path
        Data folder.
    stop_after : int, optional
        Stop, with a checkpoint, once this step is reached.
    on_step : callable, optional
        Called with the step and the number of steps.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    ModelError
        If the folder holds a checkpoint of another configuration.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    config = run.config
    claim_folder(run)
    trainer = _Trainer(run)
    trainer.resume()
    truncate_log(run.log, trainer.step)
    end = min(config.steps, stop_after or config.steps)
    if trainer.step >= end:
        return run.checkpoint
    exclusions = find_exclusions(data)
    lung_net = prepare_lung_net(data, run.sibling("lungs.pt"), config, exclusions)
    kept = KeptOnDisk(run.sibling("outlines"), lung_net)
    streams = TrainingFilms(data, config, exclusions, kept).streams()
    window: list[dict[str, float]] = []
    started = time.monotonic()
    while trainer.step < end:
        loss, parts = trainer.advance(streams)
        window.append({"loss": loss, **parts})
        if trainer.step % 10 == 0:
            line = {"step": trainer.step, **averaged_parts(window)}
            append_line(run.log, {key: round(value, 5) for key, value in line.items()})
            _LOGGER.info("%s (%.0f s)", line, time.monotonic() - started)
            window = []
        if trainer.step % config.checkpoint_every == 0 or trainer.step == end:
            trainer.save()
        if on_step:
            on_step(trainer.step, config.steps)
    return run.checkpoint
