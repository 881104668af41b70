"""Exit statuses and the one-line errors that go with them."""

from __future__ import annotations

import sys
from enum import IntEnum

from pneumoscore.present.text import printable

__all__ = ["ExitStatus", "say", "say_error"]


class ExitStatus(IntEnum):
    """What the shell learns from a command.

    Attributes
    ----------
    DONE
        Everything asked for was done; every film has a score.
    SOME_FAILED
        At least one film has no score; each is named on the standard error stream.
    USAGE
        The command line or a setting was wrong: an unknown option, a path given to ``score`` that
        does not exist, an output that must not be written over.
    NOTHING_DONE
        The command could not run: no film found, no model, an output that cannot be written.
    INTERRUPTED
        Stopped by Ctrl-C.
    PIPE_CLOSED
        Nobody reads the standard output any more, as after ``| head``.
    """

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_DONE = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141


def say(message: str) -> None:
    """Write one line for the person to the standard error stream."""
    print(printable(message), file=sys.stderr)


def say_error(message: str) -> None:
    """Write one ``error: ...`` line to the standard error stream."""
    say(f"error: {message}")
