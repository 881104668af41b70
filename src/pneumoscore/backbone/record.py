"""The record of a backbone: all that is needed to use its file rightly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.radiograph.types import InputSpec

__all__ = ["BackboneOutput", "BackboneRecord"]


@dataclass(frozen=True, slots=True)
class BackboneRecord:
    """What a backbone is, where its file lies and how to feed it.

    Attributes
    ----------
    name, version : str
        Identity; a new file gets a new version.
    file : str
        Name of the ONNX file, beside the record.
    sha256 : str
        Hash of that file, hexadecimal.
    input : InputSpec
        Size, squaring and pixel range of the input.
    findings : tuple of str
        Names of the finding logits, in the network's order.
    feature_width : int
        Length of the pooled feature vector.
    map_size : int
        Rows and columns of the feature map.
    training_data : str
        What the network saw.
    licence : str
        Terms of the weights.
    url : str or None
        Where a fetched file comes from.
    has_lungs, has_gradient : bool
        Whether the file also holds the lung output and the input-gradient output.
    details : mapping
        Training configuration, seed, hashes and measured figures.
    """

    name: str
    version: str
    file: str
    sha256: str
    input: InputSpec
    findings: tuple[str, ...]
    feature_width: int
    map_size: int
    training_data: str
    licence: str
    url: str | None = None
    has_lungs: bool = False
    has_gradient: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class BackboneOutput:
    """What a backbone gives for a batch of n films.

    Attributes
    ----------
    findings : ndarray of float32, shape (n, number of findings)
        Raw logits.
    features : ndarray of float32, shape (n, feature_width)
        Pooled features: the mean of the feature map over its places.
    feature_map : ndarray of float32, shape (n, feature_width, map_size, map_size)
        Features at each place, row 0 at the top.
    lungs : ndarray of float32, shape (n, 2, map_size, map_size), or None
        Share of each place that is the patient's right (0) and left (1) lung, in [0, 1].
    """

    findings: NDArray[np.float32]
    features: NDArray[np.float32]
    feature_map: NDArray[np.float32]
    lungs: NDArray[np.float32] | None = None
