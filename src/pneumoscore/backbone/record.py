"""The record of a backbone: all that is needed to use its file rightly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.radiograph.types import InputSpec

__all__ = ["BackboneOutput", "BackboneRecord", "load_record", "save_record"]

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SQUARINGS = ("pad", "crop")
PIXEL_RANGES = ("standardised", "signed_1024", "unit")
# A record is a few kilobytes; anything far larger is some other file.
LARGEST_RECORD = 4 * 1024 * 1024


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
            value = getattr(self, name)
            require(isinstance(value, str) and bool(value), name, value, "a text")
        require(
            is_name(self.file) and self.file.endswith(".onnx"),
            "file",
            self.file,
            "the name of an .onnx file beside the record",
        )
        require(
            isinstance(self.sha256, str) and bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)),
            "sha256",
            self.sha256,
            "64 lower-case hexadecimal digits",
        )
        spec = self.input
        require(isinstance(spec, InputSpec), "input", spec, "size, squaring and pixel_range")
        require(is_count(spec.size), "input size", spec.size, "a positive whole number")
        require(spec.squaring in SQUARINGS, "squaring", spec.squaring, f"one of {SQUARINGS}")
        require(
            spec.pixel_range in PIXEL_RANGES,
            "pixel_range",
            spec.pixel_range,
            f"one of {PIXEL_RANGES}",
        )
        require(
            isinstance(self.findings, tuple)
            and all(isinstance(finding, str) and finding for finding in self.findings)
            and len(set(self.findings)) == len(self.findings),
            "findings",
            self.findings,
            "names, each once",
        )
        for name in ("feature_width", "map_size"):
            value = getattr(self, name)
            require(is_count(value), name, value, "a positive whole number")
        require(self.url is None or isinstance(self.url, str), "url", self.url, "a text or null")
        for name in ("has_lungs", "has_gradient"):
            value = getattr(self, name)
            require(isinstance(value, bool), name, value, "true or false")
        require(
            self.forward_bytes is None or is_count(self.forward_bytes),
            "forward_bytes",
            self.forward_bytes,
            "a positive whole number or null",
        )
        require(isinstance(self.details, Mapping), "details", self.details, "an object")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that `from_dict` takes."""
        form: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        form["input"] = {
            "size": self.input.size,
            "squaring": self.input.squaring,
            "pixel_range": self.input.pixel_range,
        }
        form["findings"] = list(self.findings)
        form["details"] = dict(self.details)
        return form

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> BackboneRecord:
        """Return the record with the JSON form `form`.

        Raises
        ------
        ModelError
            If a field is missing, unknown, of the wrong type or out of its range.
        """
        values = _known_fields(form, cls, "the backbone record")
        values["input"] = InputSpec(
            **_known_fields(values["input"], InputSpec, "the backbone record's input")
        )
        if isinstance(values["findings"], list):
            values["findings"] = tuple(values["findings"])
        return cls(**values)


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


def is_count(value: object) -> bool:
    """Whether `value` is a positive whole number."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def load_record(path: str | Path) -> BackboneRecord:
    """Read a record from its JSON file.

    Raises
    ------
    ModelError
        If the file is missing, unreadable or no valid record.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_RECORD:
            raise ModelError(f"{path} is larger than 4 MiB", "a backbone record, a small JSON file")
        form = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"there is no file {path}", "a backbone record") from error
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror})", "a readable backbone record"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON file", "a backbone record") from error
    try:
        return BackboneRecord.from_dict(form)
    except ModelError as error:
        raise ModelError(f"{path}: {error.found}", error.expected, error.remedy) from error


def save_record(record: BackboneRecord, path: str | Path) -> None:
    """Write a record to a JSON file, as a whole.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    text = json.dumps(record.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(Path(path), (text + "\n").encode())


def _known_fields(form: object, kind: type, what: str) -> dict[str, Any]:
    """Return `form` as keyword arguments of the dataclass `kind`."""
    if not isinstance(form, Mapping):
        raise ModelError(f"{what} is a {type(form).__name__}", "an object")
    known = {item.name for item in fields(kind)}
    needed = known - {"url", "has_lungs", "has_gradient", "forward_bytes", "details"}
    if missing := sorted(needed - set(form)):
        raise ModelError(f"{what} lacks {', '.join(missing)}", "all fields of docs/backbones.md")
    if unknown := sorted(str(key) for key in set(form) - known):
        raise ModelError(
            f"{what} has the unknown field {', '.join(unknown)}",
            "only the fields of docs/backbones.md",
            "check the spelling, or update PneumoScore",
        )
    return dict(form)
