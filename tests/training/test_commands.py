"""The training's command line: one help, one way to be told what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from training.commands import app, main

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: python -m training {command}" in capsys.readouterr().out


def test_the_help_needs_no_torch() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from training.commands import main; sys.exit(main(['train', '--help']))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_a_configuration_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", str(tmp_path / "none.toml"), "--out", str(tmp_path / "x.pt")]) == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "none.toml" in error
    assert error.count("\n") == 1
