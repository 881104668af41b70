"""The pages name every command and option, and none that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from pneumoscore.cli.app import COMMANDS
from pneumoscore.severity.quality import FLAGS, REFUSING

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
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


def test_the_page_of_patients_names_every_option() -> None:
    text = PAGE + (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    for full_name, command in leaves("patient", typer.main.get_command(app_of("patient"))):
        options = {option for parameter in command.params for option in parameter.opts}
        missing = {name for name in options if not re.search(rf"[` ]{name}\b", text)}
        assert {name for name in missing if name.startswith("--")} <= {"--help"}, full_name


def called(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words call, and the words that follow its name."""
    command, rest = typer.main.get_command(app_of(words[0])), words[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "docs" / "silent_trial.sh"],
    ids=lambda page: page.name,
)
def test_every_command_line_on_a_page_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"\bpneumoscore ([a-z][^`\n#|>]*)", text):
        words = line.split()
        assert words[0] in COMMANDS, line
        command, rest = called(words)
        known = {name for item in command.params for name in (*item.opts, *item.secondary_opts)}
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= known | {"--help"}, line


def test_the_page_names_every_flag_as_refusing_or_warning() -> None:
    refusing, warning = section("score").split("Its flags are")[1].split("Flags that only warn")
    for flag in FLAGS:
        assert (f"`{flag}`" in refusing) == (flag in REFUSING), flag
        assert f"`{flag}`" in (refusing if flag in REFUSING else warning), flag


def test_every_command_is_in_the_first_table() -> None:
    table = PAGE.split("\n## ", 1)[0]
    for name in COMMANDS:
        assert f"| `{name} " in table or f"| `{name}`" in table
