"""Bundles: the files of a severity model.

A folder with ``model.json`` (identity, backbone, heads, gate), ``gate.npz`` (arrays of the
gate, where it has any), ``card.md``, and the backbone's record and file if it brings its own.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import io
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pneumoscore.backbone.lungs import lung_network_hash
from pneumoscore.backbone.record import BackboneRecord, is_name
from pneumoscore.errors import ModelError, OutputError
from pneumoscore.files import write_atomically
from pneumoscore.forms import from_form, read_form, to_form, to_json
from pneumoscore.radiograph.limits import READING_VERSION
from pneumoscore.radiograph.types import Squaring
from pneumoscore.severity.fitted import FittedFilms
from pneumoscore.severity.head import Head
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.seen import SeenFilms

__all__ = [
    "Bundle",
    "available_bundles",
    "bundle_hash",
    "find_bundle",
    "read_bundle",
    "refuse_bundle_there",
    "write_bundle",
]

_FORMAT = 1
_LARGEST_MODEL_FILE = 64 * 1024 * 1024
_FILES = ("model.json", "gate.npz", "card.md", "backbone.json")
_GATE_PARTS = ("view", "familiarity")


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
    seen : SeenFilms
        What taught it, as far as it is known.
    gatekeeper : str or None
        Name of a built-in model whose gate, on its own backbone, tells frontal films from
        others for this one, which has no classifier of views.
    fitted : FittedFilms or None
        What it says of the films that taught its heads, for those who watch it drift.
    """

    name: str
    version: str
    backbone: str
    heads: tuple[Head, ...]
    gate: QualityGate
    shown: tuple[str, ...]
    card: str
    seen: SeenFilms = field(default_factory=SeenFilms)
    gatekeeper: str | None = None
    fitted: FittedFilms | None = None

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
        if self.gatekeeper is not None and not is_name(self.gatekeeper):
            raise ModelError(
                f"the gatekeeper is {self.gatekeeper!r}", "the name of a built-in model"
            )
        # A reference must not lead out of the bundle's folder.
        if not is_name(self.backbone):
            raise ModelError(
                f"the backbone is {self.backbone!r}",
                "the name of an installed backbone, or of a record's file in the same folder",
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
    form = read_form(path, "a severity model", largest=_LARGEST_MODEL_FILE)
    if (found := form.pop("format", None)) != _FORMAT:
        raise ModelError(
            f"{path} has the format {found!r}", f"format {_FORMAT}", "update PneumoScore"
        )
    card = folder / "card.md"
    try:
        form["gate"] = _with_arrays(form.get("gate") or {}, folder / "gate.npz")
        form["card"] = _read_card(card) if card.is_file() else ""
        return from_form(Bundle, form, "the model")
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be read ({error.strerror})", "a readable severity model"
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
    rules, arrays = _gate_parts(bundle.gate)
    if arrays:
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        write_atomically(folder / "gate.npz", stream.getvalue())
    write_atomically(folder / "card.md", bundle.card.encode("utf-8"))
    form = {
        "format": _FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "backbone": bundle.backbone,
        "shown": list(bundle.shown),
        "gate": rules,
        "gatekeeper": bundle.gatekeeper,
        "seen": to_form(bundle.seen),
        "fitted": None if bundle.fitted is None else to_form(bundle.fitted),
        "heads": to_form(bundle.heads),
    }
    write_atomically(folder / "model.json", to_json(form))


def refuse_bundle_there(folder: Path, *brought: str) -> None:
    """Raise if a folder holds files of a severity model; call it before long work.

    Parameters
    ----------
    folder : Path
        Of the model about to be written.
    *brought : str
        Names of further files that it will hold, as its backbone's.

    Raises
    ------
    OutputError
        If it does, or is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file", "a folder for the model")
    there = [name for name in (*_FILES, *brought) if (folder / name).exists()]
    if there:
        raise OutputError(
            f"{folder} holds {', '.join(there)}",
            "a folder without a model",
            "name another folder, or give --overwrite",
        )


def bundle_hash(bundle: Bundle, record: BackboneRecord, gatekeeper: str | None = None) -> str:
    """Return the SHA-256 over all that a model's scores and flags rest on.

    Parameters
    ----------
    bundle : Bundle
        Its heads and gate count; its name, version and card do not.
    record : BackboneRecord
        Of its backbone: the file, how it is fed, and the order of the findings. The way in
        which files become pixels (`READING_VERSION`) counts too.
    gatekeeper : str, optional
        The gatekeeper's own hash.
    """
    rules, arrays = _gate_parts(bundle.gate)
    content: dict[str, Any] = {
        "backbone": record.sha256,
        "input": {
            item.name: to_form(value)
            for item in fields(record.input)
            # What is as by default says nothing, so that a field added later changes no hash.
            if (value := getattr(record.input, item.name)) != item.default
        },
        "findings": record.findings,
        "heads": [_said(head) for head in bundle.heads],
        "gate": rules,
        "reading": READING_VERSION,
    }
    if record.input.squaring is Squaring.LUNGS:
        content["lung_network"] = lung_network_hash()
    if gatekeeper is not None:
        content["gatekeeper"] = gatekeeper
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode("utf-8"))
    for name in sorted(arrays):
        digest.update(name.encode("utf-8"))
        digest.update(arrays[name].astype("<f4").tobytes())
    return digest.hexdigest()


def _said(head: Head) -> dict[str, Any]:
    """Return a head's form without places that it has not: heads before them keep their hash."""
    form: dict[str, Any] = to_form(head)
    return {name: value for name, value in form.items() if name != "places" or value is not None}


def _gate_parts(gate: QualityGate) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return the rules of a gate as `model.json` holds them, and its arrays by name."""
    rules = {item.name: getattr(gate, item.name) for item in fields(gate)}
    arrays: dict[str, NDArray[np.float32]] = {}
    for part in _GATE_PARTS:
        if (learnt := rules[part]) is None:
            continue
        values = {item.name: getattr(learnt, item.name) for item in fields(learnt)}
        own = {name for name, value in values.items() if isinstance(value, np.ndarray)}
        arrays |= {f"{part}_{name}": values.pop(name) for name in sorted(own)}
        rules[part] = values
    return to_form(rules), arrays


def _with_arrays(rules: Any, path: Path) -> Any:
    """Put a gate's arrays where its rules leave them out; what is no gate is left as it is."""
    if not isinstance(rules, dict):
        return rules
    learnt = [part for part in _GATE_PARTS if isinstance(rules.get(part), dict)]
    if not learnt:
        return rules
    arrays = _read_arrays(path)
    parts = {
        part: rules[part]
        | {
            name.removeprefix(f"{part}_"): array
            for name, array in arrays.items()
            if name.startswith(f"{part}_")
        }
        for part in learnt
    }
    return rules | parts


def _read_card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{path.name} is not in UTF-8", "a model card in UTF-8", "save it in that code"
        ) from error


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    import zipfile
    import zlib

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(
            f"{path.name} cannot be read",
            "the arrays of the quality gate",
            "copy the model again, or fit it anew",
        ) from error
