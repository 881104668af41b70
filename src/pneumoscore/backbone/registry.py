"""Which backbones are at hand: those in the package, and those the user added."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from pneumoscore.backbone.record import is_name, load_record
from pneumoscore.errors import ModelError
from pneumoscore.settings import HOME_VARIABLE, home_folder

__all__ = [
    "FETCHABLE",
    "available_backbones",
    "backbones_folder",
    "find_backbone",
    "remove_backbone",
    "weights_folder",
]

FETCHABLE = ("densenet121-res224-all",)


def backbones_folder() -> Path:
    """Return the folder of the backbones that the user added or fetched."""
    return home_folder() / "backbones"


def weights_folder() -> Path:
    """Return the folder of the built-in backbones, inside the installed package."""
    return Path(str(importlib.resources.files("pneumoscore.backbone"))) / "weights"


def available_backbones() -> dict[str, Path]:
    """Return the record path of every backbone at hand, by name.

    Built-in ones come first and cannot be replaced by added ones of the same name.

    Raises
    ------
    ModelError
        If the folder of added backbones exists but cannot be read.
    """
    built_in = _records_in(weights_folder())
    return {**built_in, **_records_in(backbones_folder()), **built_in}


def _records_in(folder: Path) -> dict[str, Path]:
    """Return the record path of every backbone in a folder, which need not exist, by name."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ModelError(
            f"the folder {folder} cannot be read ({error.strerror})",
            "a folder of backbones",
            f"mend its permissions, or set {HOME_VARIABLE} to another folder",
        ) from error
    return {path.stem: path for path in paths if is_name(path.stem)}


def find_backbone(name: str) -> Path:
    """Return the path of the record of the backbone called `name`.

    Raises
    ------
    ModelError
        If there is none; the message says which file was expected where, and which command
        puts it there.
    """
    # Built-in ones need no home folder, and are found where there is none.
    built_in = _records_in(weights_folder())
    if name in built_in:
        return built_in[name]
    found = available_backbones()
    if name in found:
        return found[name]
    if not is_name(name):
        raise ModelError(
            f"{name!r} is no backbone's name",
            f"one of {', '.join(found) or 'none installed'}, or the path of a record",
        )
    expected = f"file {name}.json at {backbones_folder()}"
    if name in FETCHABLE:
        remedy = (
            f"run `pneumoscore model fetch {name}`; without a network, copy the published file "
            f"here and run `pneumoscore model fetch {name} --from FILE`"
        )
    else:
        at_hand = ", ".join(found) or "none"
        remedy = f"run `pneumoscore model add FILE --name {name}`, or use one of: {at_hand}"
    raise ModelError(f"backbone {name!r} is not installed", expected, remedy)


def remove_backbone(name: str) -> tuple[Path, ...]:
    """Delete a backbone that was fetched or added, and return the files that are gone.

    Raises
    ------
    ModelError
        If there is none of this name, or it is built in.
    OSError
        If a file cannot be deleted.
    """
    path = find_backbone(name)
    if path.parent == weights_folder():
        raise ModelError(f"{name!r} is a built-in backbone", "one that was fetched or added")
    try:
        files = (path, path.parent / load_record(path).file)
    except ModelError:
        # A damaged record says nothing; its file has its name.
        files = (path, path.with_suffix(".onnx"))
    # The record first: a file without one is found by nobody.
    gone = tuple(file for file in files if file.exists())
    for file in gone:
        file.unlink()
    return gone
