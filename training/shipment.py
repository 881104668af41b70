"""What is shipped under one name: one trained network, or several that are averaged."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.errors import ModelError
from training.config import TrainingConfig, read_config

__all__ = ["WEIGHTS_LICENCE", "Shipment", "read_shipment"]

WEIGHTS_LICENCE = (
    "research use only: trained on public films, some of whose sources allow research use only; "
    "begun from the ImageNet weights of EfficientNet-Lite (Apache-2.0)"
)


@dataclass(frozen=True, slots=True)
class Shipment:
    """A backbone made of trained networks.

    Attributes
    ----------
    name, version, description : str
        Identity, and what the networks saw, in words.
    members : tuple of TrainingConfig
        Networks whose features are joined, and whose scores are averaged.
    beside : str
        Checkpoint, relative to the runs' folder, of a network whose features are joined too and
        get heads by ridge regression; empty for none.
    beside_share : float
        Weight of those heads in the average.
    """

    name: str
    version: str
    description: str
    members: tuple[TrainingConfig, ...]
    beside: str = ""
    beside_share: float = 0.5

    @property
    def joint(self) -> TrainingConfig | None:
        """Configuration of networks trained side by side, where those are what is shipped."""
        return self.members[0] if self.members[0].joint else None

    @property
    def size(self) -> int:
        """Rows and columns of the input."""
        return self.members[0].size

    @property
    def mirrored(self) -> bool:
        """Whether each network's map is averaged with that of the mirrored film."""
        return self.members[0].mirrored

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the members, which are those of their run folders."""
        return tuple(member.name for member in self.members)


def read_shipment(path: Path) -> Shipment:
    """Read what is shipped: a training configuration, or a table that names several.

    Parameters
    ----------
    path : Path
        TOML. With the key ``members`` it holds name, version, description and the names
        of training configurations beside it.

    Raises
    ------
    ModelError
        If the file or a member cannot be read, a key is missing, or the members differ in size
        or mirroring.
    """
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"cannot read {path}: {error}", "a TOML configuration") from error
    if "members" not in values:
        config = read_config(path)
        beside = config.start if config.joint else ""
        return Shipment(
            config.name, config.version, config.description, (config,), beside, config.beside_share
        )
    members = tuple(read_config(path.with_name(f"{name}.toml")) for name in values.pop("members"))
    if len({(member.size, member.mirrored) for member in members}) != 1:
        raise ModelError(
            f"the members of {path} take films of different sizes, or not all mirror them",
            "the same size and mirroring",
        )
    try:
        return Shipment(members=members, **values)
    except TypeError as error:
        raise ModelError(f"{path}: {error}", "name, version, description") from error
