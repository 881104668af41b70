"""The page of commands names every command and option."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from pneumoscore.cli.app import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
OWN_PAGE = {
    "patient",
    "study",
    "pacs",
    "deidentify",
    "listen",
    "pull",
    "push",
    "reconcile",
    "serve",
}


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for key, value in inner.items():
        yield from leaves(f"{name} {key}", value)


def app_of(name: str) -> typer.Typer:
    app: typer.Typer = import_module(COMMANDS[name].module).app
    return app


def section(name: str) -> str:
    return PAGE[PAGE.index(f"## `{name}`") :].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in OWN_PAGE])
def test_every_option_is_on_the_page(name: str) -> None:
    text = section(name) + section("score")  # options that commands share are explained there
    for full_name, command in leaves(name, typer.main.get_command(app_of(name))):
        assert f"`{full_name}" in PAGE
        options = {option for parameter in command.params for option in parameter.opts}
        named = {option for option in options if f"`{option}" in text or f" {option} " in text}
        missing = {option for option in options - named if option.startswith("--")}
        assert missing <= {"--help"}, full_name


def test_every_command_is_in_the_first_table() -> None:
    table = PAGE.split("\n## ", 1)[0]
    for name in COMMANDS:
        assert f"| `{name} " in table or f"| `{name}`" in table
