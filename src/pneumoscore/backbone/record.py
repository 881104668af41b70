"""The record of a backbone: all that is needed to use its file rightly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.forms import load_form, to_form, to_json
from pneumoscore.radiograph.types import InputSpec

__all__ = ["BackboneOutput", "BackboneRecord", "load_record", "refuse_same_version", "save_record"]

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
    forward_bytes : int or None
        How many bytes at the start of the file are the network without its gradient; None if
        they cannot be told apart. (An ONNX file is one protobuf message, and two messages one
        after the other are read as their union: Protocol Buffers, "Encoding".)
    details : mapping
        Training configuration, seed, hashes and measured figures.

    Raises
    ------
    ModelError
        If a field is of the wrong type or out of its range.
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
    forward_bytes: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def require(passes: bool, name: str, value: object, expected: str) -> None:
            if not passes:
                raise ModelError(f"the backbone record's {name} is {value!r}", expected)

        require(is_name(self.name), "name", self.name, "letters, digits, '.', '_' and '-'")
        for name in ("version", "training_data", "licence"):
            require(bool(getattr(self, name)), name, getattr(self, name), "a text")
        require(
            is_name(self.file) and self.file.endswith(".onnx"),
            "file",
            self.file,
            "the name of an .onnx file beside the record",
        )
        require(
            bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)),
            "sha256",
            self.sha256,
            "64 lower-case hexadecimal digits",
        )
        require(
            all(self.findings) and len(set(self.findings)) == len(self.findings),
            "findings",
            self.findings,
            "names, each once",
        )
        for name, count in (
            ("feature_width", self.feature_width),
            ("map_size", self.map_size),
            ("forward_bytes", self.forward_bytes),
        ):
            require(count is None or count > 0, name, count, "a positive whole number")


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


def is_name(value: object) -> bool:
    """Whether `value` can name a backbone or its file: no separators, no leading dot."""
    return isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None


def load_record(path: str | Path) -> BackboneRecord:
    """Read a record from its JSON file.

    Raises
    ------
    ModelError
        If the file is missing, unreadable or no valid record.
    """
    return load_form(BackboneRecord, Path(path), "a backbone's record")


def save_record(record: BackboneRecord, path: str | Path) -> None:
    """Write a record to a JSON file, as a whole.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_atomically(Path(path), to_json(to_form(record)))


def refuse_same_version(record: BackboneRecord, folder: Path) -> None:
    """Raise if a folder holds another network of this name and version.

    Raises
    ------
    ModelError
        If it does: scores of the two could not be told apart by their names.
    """
    path = folder / f"{record.name}.json"
    if not path.is_file():
        return
    try:
        known = load_record(path)
    except ModelError:
        return
    same = (known.sha256, known.input, known.findings) == (
        record.sha256,
        record.input,
        record.findings,
    )
    if known.version == record.version and not same:
        raise ModelError(
            f"{path} is another network called {record.name} {record.version}",
            "a name and version of its own for each network",
            "give it another version or name",
        )
