"""Bundles: the files of a severity model.

A folder with ``model.json`` (identity, backbone, heads, gate), ``gate.npz`` (arrays of the
gate, where it has any), ``card.md``, and the backbone's record and file if it brings its own.
"""

from __future__ import annotations

import importlib.resources
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.record import is_name
from pneumoscore.errors import ModelError
from pneumoscore.files import write_atomically
from pneumoscore.severity.familiarity import Familiarity
from pneumoscore.severity.head import Head
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.view import ViewClassifier

__all__ = ["Bundle", "available_bundles", "find_bundle", "read_bundle", "write_bundle"]

_FORMAT = 1
_LARGEST_MODEL_FILE = 64 * 1024 * 1024
_DEFAULT_RULES = QualityGate()


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """What the files of a severity model say.

    Attributes
    ----------
    name, version : str
        Identity.
    backbone : str
        Name of an installed backbone, or file name (``.json``) of a record in the folder.
    heads : tuple of Head
        One for each scale.
    gate : QualityGate
        Flags and refusals.
    shown : tuple of str
        Names of the scales scored by default.
    card : str
        The model card, Markdown.
    """

    name: str
    version: str
    backbone: str
    heads: tuple[Head, ...]
    gate: QualityGate
    shown: tuple[str, ...]
    card: str

    def __post_init__(self) -> None:
        names = [head.scale.name for head in self.heads]
        if not names or len(set(names)) != len(names):
            raise ModelError(
                f"the model {self.name!r} has the heads {', '.join(names) or 'none'}",
                "one head for each scale",
            )
        if not self.shown or not set(self.shown) <= set(names):
            raise ModelError(
                f"the model {self.name!r} shows {', '.join(self.shown) or 'nothing'}",
                f"some of its scales, {', '.join(names)}",
            )
        if not is_name(self.name):
            raise ModelError(
                f"{self.name!r} is no model's name", "letters, digits, '.', '_' and '-'"
            )


def bundles_folder() -> Path:
    """Return the folder of the built-in bundles, inside the installed package."""
    return Path(str(importlib.resources.files("pneumoscore.severity"))) / "bundles"


def available_bundles() -> dict[str, Path]:
    """Return the folder of each built-in bundle, by name."""
    folder = bundles_folder()
    if not folder.is_dir():
        return {}
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/model.json"))}


def find_bundle(name_or_folder: str | Path) -> Path:
    """Return the folder of a built-in bundle, or of one given by its path.

    Raises
    ------
    ModelError
        If there is neither.
    """
    built_in = available_bundles()
    if isinstance(name_or_folder, str) and name_or_folder in built_in:
        return built_in[name_or_folder]
    folder = Path(name_or_folder)
    if (folder / "model.json").is_file():
        return folder
    at_hand = ", ".join(built_in) or "none"
    raise ModelError(
        f"there is no severity model {str(name_or_folder)!r}",
        f"a built-in one ({at_hand}), or a folder with a file model.json",
        "run `pneumoscore model list`",
    )


def read_bundle(folder: Path) -> Bundle:
    """Read the files of a severity model.

    Raises
    ------
    ModelError
        If a file is missing, damaged or of a later format.
    """
    path = folder / "model.json"
    try:
        if path.stat().st_size > _LARGEST_MODEL_FILE:
            raise ModelError(f"{path} is over 64 MiB", "a severity model, a few megabytes")
        data = json.loads(path.read_text(encoding="utf-8"))
        card = _read_card(folder / "card.md")
    except OSError as error:
        raise ModelError(
            f"{path.parent} cannot be read ({error.strerror})", "a readable severity model"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON file", "a severity model") from error
    if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
        found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        raise ModelError(
            f"{path} has the format {found!r}", f"format {_FORMAT}", "update PneumoScore"
        )
    try:
        heads = tuple(Head.from_dict(head) for head in data["heads"])
        shown = data.get("shown") or [head.scale.name for head in heads]
        return Bundle(
            name=str(data["name"]),
            version=str(data["version"]),
            backbone=_checked_reference(data["backbone"]),
            heads=heads,
            gate=_read_gate(data.get("gate") or {}, folder / "gate.npz"),
            shown=tuple(str(name) for name in shown),
            card=card,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged ({type(error).__name__}: {error})",
            "name, version, backbone and heads",
        ) from error
    except ModelError as error:
        raise ModelError(f"{path}: {error.found}", error.expected, error.remedy) from error


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the files of a severity model; ``model.json`` last, so it is never half there.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gate, arrays = _gate_parts(bundle.gate)
    if arrays:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        write_atomically(folder / "gate.npz", stream.getvalue())
    write_atomically(folder / "card.md", bundle.card.encode("utf-8"))
    data = {
        "format": _FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "backbone": bundle.backbone,
        "shown": list(bundle.shown),
        "gate": gate,
        "heads": [head.to_dict() for head in bundle.heads],
    }
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "model.json", (text + "\n").encode("utf-8"))


def _read_card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _checked_reference(value: Any) -> str:
    """Refuse references that lead out of the bundle's folder."""
    if not is_name(value):
        raise ModelError(
            f"the backbone is {value!r}",
            "the name of an installed backbone, or of a record's file in the same folder",
        )
    return str(value)


def _read_gate(data: Mapping[str, Any], arrays_path: Path) -> QualityGate:
    view, familiarity = data.get("view"), data.get("familiarity")
    arrays: dict[str, NDArray[Any]] = {}
    if view is not None or familiarity is not None:
        arrays = _read_arrays(arrays_path)
    lung_limit = data.get("most_lung_at_edge")
    return QualityGate(
        view=None
        if view is None
        else ViewClassifier(
            classes=tuple(str(name) for name in view["classes"]),
            coefficients=arrays["view_coefficients"],
            intercepts=arrays["view_intercepts"],
            least_frontal=float(view["least_frontal"]),
        ),
        familiarity=None
        if familiarity is None
        else Familiarity(
            centre=arrays["familiarity_centre"],
            components=arrays["familiarity_components"],
            directions=arrays["familiarity_directions"],
            remainder=float(familiarity["remainder"]),
            farthest=float(familiarity["farthest"]),
        ),
        most_lung_at_edge=None if lung_limit is None else float(lung_limit),
        refusing=tuple(data.get("refusing", _DEFAULT_RULES.refusing)),
        smallest_side=int(data.get("smallest_side", _DEFAULT_RULES.smallest_side)),
        smallest_contrast=float(data.get("smallest_contrast", _DEFAULT_RULES.smallest_contrast)),
    )


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path.name} cannot be read", "the arrays of the quality gate") from error


def _gate_parts(gate: QualityGate) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    arrays: dict[str, NDArray[np.float32]] = {}
    data: dict[str, Any] = {
        "refusing": list(gate.refusing),
        "smallest_side": gate.smallest_side,
        "smallest_contrast": gate.smallest_contrast,
        "most_lung_at_edge": gate.most_lung_at_edge,
        "view": None,
        "familiarity": None,
    }
    if gate.view is not None:
        data["view"] = {
            "classes": list(gate.view.classes),
            "least_frontal": gate.view.least_frontal,
        }
        arrays["view_coefficients"] = gate.view.coefficients
        arrays["view_intercepts"] = gate.view.intercepts
    if gate.familiarity is not None:
        data["familiarity"] = {
            "remainder": gate.familiarity.remainder,
            "farthest": gate.familiarity.farthest,
        }
        arrays["familiarity_centre"] = gate.familiarity.centre
        arrays["familiarity_components"] = gate.familiarity.components
        arrays["familiarity_directions"] = gate.familiarity.directions
    return data, arrays
