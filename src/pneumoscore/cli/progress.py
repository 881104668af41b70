"""A progress bar that appears only when a job turns out to be long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from pneumoscore.cli.status import say
from pneumoscore.present.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Counted", "LateProgress"]

PATIENCE_SECONDS = 2.0


class LateProgress:
    """A bar on the standard error stream, drawn after two seconds, on a terminal only.

    Parameters
    ----------
    title : str
        What is being done.
    patience : float, optional
        Seconds before the bar appears.
    terminal : bool, optional
        Whether anyone is watching; by default, whether the standard error stream is a terminal.
    """

    def __init__(
        self, title: str, *, patience: float = PATIENCE_SECONDS, terminal: bool | None = None
    ) -> None:
        self._title = title
        self._patience = patience
        self._watched = sys.stderr.isatty() if terminal is None else terminal
        self._began = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> LateProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def shown(self) -> bool:
        """Whether the bar has appeared."""
        return self._bar is not None

    @property
    def watched(self) -> bool:
        """Whether a bar would be seen."""
        return self._watched

    def say(self, message: str) -> None:
        """Write one line to the standard error stream, above the bar if there is one."""
        if self._bar is None:
            say(message)
        else:
            from rich.text import Text

            self._bar.console.print(Text(printable(message)), soft_wrap=True)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show `done` of `total`, how many a second, and a note.

        A `total` of None is not yet known.
        """
        if not self._watched or time.monotonic() - self._began < self._patience:
            return
        if self._bar is None:
            self._bar = _new_bar()
            self._bar.start()
            self._bar.add_task(self._title, total=total, note="")
        rate = done / max(time.monotonic() - self._began, 1e-3)
        shown = ", ".join(part for part in (f"{rate:.1f}/s", note) if part)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total, note=shown)


class Counted:
    """Counts what is given beside the job that works on the same, so that time left is known.

    Parameters
    ----------
    given : iterable or None
        Is taken to its end in a thread of its own; None where nothing can be counted.

    Attributes
    ----------
    total : int or None
        None as long as it is not known.
    """

    def __init__(self, given: Iterable[object] | None) -> None:
        self.total: int | None = None
        self._stop = threading.Event()
        self._given = given
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Counted:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._thread.join()

    def _count(self) -> None:
        if self._given is None:
            return
        count = 0
        for _ in self._given:
            count += 1
            if self._stop.is_set():
                return
        self.total = count


def _new_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as RemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        RemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
