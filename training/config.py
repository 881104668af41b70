"""Training configurations: one TOML file for each network."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pneumoscore.errors import ModelError
from pneumoscore.radiograph.types import InputSpec, PixelRange, Squaring
from training.augment import WIDER, Augmentation
from training.films import unit_spec
from training.losses import LossWeights

__all__ = ["StreamConfig", "TrainingConfig", "read_config"]


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How many films of one kind go into each batch.

    Attributes
    ----------
    normal : int
        Films without findings, with painted opacities.
    findings : int
        Corpus films with stated findings.
    scored : int
        Films with readers' scores.
    rated : int
        Films with Brixia ratings but no score on our scales.
    zoned : int
        Films with both readers' Brixia ratings of the six zones, scored or not.
    masked : int
        Films with expert masks of the opacities.
    ordinal : int
        Films with one reader's class, 1-5.
    boxed : int
        Corpus films with readers' boxes around opacities.
    boxed_lungs : int
        The same, of films that are black outside the lungs; painted films are then made alike,
        or the black would tell.
    unscored : int
        COVID-19 films of the corpus, scored by the averaged network as training goes on
        (the mean teacher of Tarvainen and Valpola 2017).
    unscored_series : int
        The same of the collection's and Hannover's films of patients without any scored film.
    """

    normal: int = 0
    findings: int = 0
    scored: int = 0
    rated: int = 0
    zoned: int = 0
    masked: int = 0
    ordinal: int = 0
    boxed: int = 0
    boxed_lungs: int = 0
    unscored: int = 0
    unscored_series: int = 0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that decides a training run.

    Attributes
    ----------
    name, version : str
        Identity of the network.
    description : str
        What it saw, in words, for the record.
    size : int
        Rows and columns of the input.
    margin : float
        Side of the frame around the lungs that is shown, in longer sides of their box; 0 for
        the whole film, padded to a square.
    margin_in_use : float
        The same for a network that is shown another frame when it is used; 0 for `margin`.
    steps, warmup : int
        Batches in all, and of rising learning rate.
    schedule : int
        Batches over which the learning rate falls; 0 for `steps`. A run that ends sooner relies
        on the averaged weights.
    learning_rate, weight_decay : float
        Largest rate of AdamW, and its decay.
    averaging : float
        Decay of the exponential moving average of the weights; the average is exported.
    seed : int
        Of everything random.
    trunk : str
        Name of the network's trunk (`training.trunk`).
    frozen_stages : int
        Stages of the trunk, besides its stem, that stay as they are; 0 trains everything.
    start : str
        Checkpoint to begin from, relative to the run folder's parent; empty to begin
        from the trunk's published ImageNet weights.
    members : str
        Checkpoint of networks trained side by side, relative as `start`, of which each network
        goes on from that of its own part; empty to begin from `start`.
    teacher : str
        Checkpoint of joined networks that score the unscored films once and for all, relative
        as `start`; empty for the average of the networks themselves, as training goes on.
    teacher_share : float
        Weight of the regression on `start`'s features in what the teacher says.
    teacher_by_lungs : bool
        Whether that regression sees the features' mean over the lungs, not over the frame.
    teacher_places : str
        Checkpoint, relative as `start`, of joined networks that tell where each lung's score
        comes from; empty to tell totals alone.
    teacher_findings : bool
        Whether the findings of `start` are told too.
    taught_after : int
        Batches before the averaged network teaches the unscored films.
    mirrored : bool
        Whether the network, in use, averages its map with that of the mirrored film.
    held_out : str
        Films that nothing may see: ``"cohen94"`` or ``"none"``.
    beside_share : float
        Weight, in what is shipped of networks trained side by side, of a regression on the
        features of `start`, in the lungs alone, which then stands beside them; 0 for none.
    folds : int
        Parts of a cross-validation by patient over the scored films, for networks trained side
        by side; 0 for none.
    joint : bool
        Whether the networks of all parts are trained side by side (`training.joint`); what is
        shipped is then their mean.
    limit : int
        Films read from each source at most; 0 for all. For tests.
    unscored_limit : int
        Unscored films of each kind at most; 0 for all.
    normal_limit : int
        Normal films used for painting at most; 0 for all.
    lung_steps : int
        Batches of the lung network.
    checkpoint_every : int
        Batches between checkpoints.
    streams, augmentation, losses
        See their classes.
    """

    name: str
    version: str
    description: str
    steps: int
    size: int = 224
    margin: float = 0.0
    margin_in_use: float = 0.0
    warmup: int = 100
    schedule: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    averaging: float = 0.997
    seed: int = 0
    trunk: str = "efficientnet-lite0"
    frozen_stages: int = 0
    start: str = ""
    members: str = ""
    teacher: str = ""
    teacher_share: float = 0.6
    teacher_by_lungs: bool = False
    teacher_places: str = ""
    teacher_findings: bool = False
    beside_share: float = 0.0
    taught_after: int = 100
    mirrored: bool = True
    held_out: str = "cohen94"
    folds: int = 0
    joint: bool = False
    limit: int = 0
    unscored_limit: int = 0
    normal_limit: int = 0
    lung_steps: int = 600
    checkpoint_every: int = 100
    streams: StreamConfig = field(default_factory=StreamConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    losses: LossWeights = field(default_factory=LossWeights)

    @property
    def input(self) -> InputSpec:
        """How a film is shown to the network when it is used."""
        return self._spec(self.margin_in_use or self.margin)

    @property
    def stored(self) -> InputSpec:
        """How a film is kept to be changed: a frame is wider, so that a moved view is full."""
        spec = self._spec(self.margin)
        if not self.margin:
            return unit_spec(spec)
        return unit_spec(spec, round(self.size * WIDER / 4) * 4, WIDER)

    def _spec(self, margin: float) -> InputSpec:
        if margin:
            return InputSpec(self.size, Squaring.LUNGS, PixelRange.STANDARDISED, margin)
        return InputSpec(self.size, Squaring.PAD, PixelRange.STANDARDISED)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as the record keeps them."""
        return asdict(self)


def _built(kind: type, values: dict[str, Any], where: str) -> Any:
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ModelError(f"{where} has the unknown key {unknown[0]!r}", "one of " + str(known))
    return kind(**values)


def read_config(path: Path) -> TrainingConfig:
    """Read a training configuration.

    Raises
    ------
    ModelError
        If the file is no TOML, lacks a needed key or has an unknown one.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"cannot read {path}: {error}", "a TOML training configuration") from error
    parts = {
        "streams": StreamConfig,
        "augmentation": Augmentation,
        "losses": LossWeights,
    }
    for key, kind in parts.items():
        if key in values:
            values[key] = _built(kind, values[key], f"[{key}] of {path}")
    try:
        config: TrainingConfig = _built(TrainingConfig, values, str(path))
    except TypeError as error:
        raise ModelError(f"{path}: {error}", "all needed keys") from error
    return config
