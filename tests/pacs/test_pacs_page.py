"""docs/pacs.md names every command and option beside an archive."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from pneumoscore.cli.app import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "pacs.md").read_text(encoding="utf-8")
OURS = ("pacs", "deidentify", "listen", "pull", "push", "reconcile")


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for key, value in inner.items():
        yield from leaves(f"{name} {key}", value)


@pytest.mark.parametrize("name", [name for name in OURS if name in COMMANDS])
def test_the_page_names_every_command_and_option(name: str) -> None:
    app: typer.Typer = import_module(COMMANDS[name].module).app
    for full_name, command in leaves(name, typer.main.get_command(app)):
        assert f"`{full_name}" in PAGE or f"pneumoscore {full_name}" in PAGE
        options = {parameter.opts[0] for parameter in command.params if parameter.opts}
        missing = {it for it in options if it.startswith("--") and f"{it}" not in PAGE}
        assert missing <= {"--help"}, full_name
