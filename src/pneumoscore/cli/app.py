"""The root command: version, help, and commands loaded only when they are called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pneumoscore.cli.status import ExitStatus, say_error
from pneumoscore.errors import OutputError, PneumoScoreError, SettingsError

__all__ = ["COMMANDS", "Command", "app", "run"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command or a group of commands.

    Attributes
    ----------
    module : str
        Module whose ``app`` it is, imported only when the command is called.
    summary : str
        Its line in the help.
    """

    module: str
    summary: str


COMMANDS = {
    "score": Command("pneumoscore.cli.score", "Score films and folders of films."),
    "archive": Command("pneumoscore.cli.archive", "Score archives of any size, part by part."),
    "explain": Command(
        "pneumoscore.cli.explain", "Draw one film with its contribution and saliency maps."
    ),
    "demo": Command(
        "pneumoscore.cli.demo", "Draw five synthetic films, score them, and make a page."
    ),
    "phantom": Command("pneumoscore.cli.phantom", "Write a synthetic film of known disease."),
    "model": Command("pneumoscore.cli.model", "List, show, fetch, add, remove and fit models."),
    "patient": Command(
        "pneumoscore.cli.patient", "Follow patients: scores over days, and what changed."
    ),
    "study": Command(
        "pneumoscore.cli.study", "Reproduce the paper, evaluate models, measure readers."
    ),
    "serve": Command("pneumoscore.cli.serve", "Serve pages: score films, read studies blinded."),
    "deidentify": Command(
        "pneumoscore.cli.deidentify", "Write films without what names their patients."
    ),
    "listen": Command(
        "pneumoscore.cli.listen", "Take films over the network, score them, deliver the results."
    ),
    "reconcile": Command(
        "pneumoscore.cli.reconcile", "Find films in an archive that have no result."
    ),
    "pull": Command("pneumoscore.cli.pull", "Fetch films from an archive by DICOMweb."),
    "push": Command("pneumoscore.cli.push", "Store DICOM files in an archive by DICOMweb."),
    "pacs": Command("pneumoscore.cli.pacs", "Write results as DICOM objects; serve an archive."),
}
"""Commands by name, in the order of the help."""


class _CommandsOnDemand(TyperGroup):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name].module)
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])


app = typer.Typer(
    cls=_CommandsOnDemand,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from pneumoscore import __version__

        typer.echo(f"pneumoscore {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 done, 1 some film has no score, 2 wrong usage, "
    "3 nothing could be done, 130 interrupted, 141 nobody reads the output any more."
)
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None:
    """Score the severity of pneumonia on frontal chest radiographs.

    Two scores for each film: geographic extent (0-8) and opacity (0-6), each with an
    interval, a right and a left part, and a map of where it comes from. Everything runs
    on this computer; nothing is sent to where you did not say.

    RESEARCH USE ONLY, NOT FOR MEDICAL USE.
    """


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status (see `pneumoscore.cli.main`)."""
    if argv is None:
        _never_fail_to_print()
    try:
        return _status(argv)
    except (OutputError, SettingsError) as error:
        say_error(str(error))
        return ExitStatus.USAGE
    except PneumoScoreError as error:
        say_error(str(error))
    except BrokenPipeError:
        _print_nowhere()
        return ExitStatus.PIPE_CLOSED
    except OSError as error:
        say_error(_os_error_line(error))
    return ExitStatus.NOTHING_DONE


def _status(argv: Sequence[str] | None) -> int:
    """Run the command, have all that it printed on its way, and return its exit status."""
    command = typer.main.get_command(app)
    status: int = ExitStatus.DONE
    try:
        command.main(args=None if argv is None else list(argv), prog_name="pneumoscore")
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            # Typer has an answer of its own to it, status 1.
            raise stop.__context__ from None
        status = stop.code if isinstance(stop.code, int) else ExitStatus.DONE
    if sys.stdout is not None:
        sys.stdout.flush()
    return status


def _print_nowhere() -> None:
    """Let go of a stream that nobody reads, as after `| head`; the rest has nowhere to go."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _never_fail_to_print() -> None:
    """Let a terminal that lacks a letter show an escape in its place."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _open_nowhere(number, name, mode)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _open_nowhere(number: int, name: str, mode: str) -> None:
    """Put /dev/null in the place of a standard stream that was closed.

    Else the next file opened would get its number, and what is printed would go there.
    """
    handle = os.open(os.devnull, os.O_RDWR)
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)
    setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _os_error_line(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason
