"""The command line of the training: parse, call, print (``python -m training --help``)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import typer

from pneumoscore.cli.options import new_app
from pneumoscore.cli.status import ExitStatus, say_error
from pneumoscore.errors import PneumoScoreError
from training.commands import corpus, figures, networks, shipping

__all__ = ["app", "main"]

app = new_app(
    "Train, ship and judge the built-in networks, from the public films.\n\n"
    "Needs the extra 'train'. RESEARCH USE ONLY, NOT FOR MEDICAL USE."
)
for _module in (networks, shipping, corpus, figures):
    _module.register(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (see `pneumoscore.cli.status.ExitStatus`)."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    command = typer.main.get_command(app)
    try:
        command.main(args=None if argv is None else list(argv), prog_name="python -m training")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else ExitStatus.DONE
    except PneumoScoreError as error:
        say_error(str(error))
    return ExitStatus.NOTHING_DONE
