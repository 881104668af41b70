"""What holds for every file that one run writes."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pneumoscore.files import written

__all__ = ["Outputs", "break_off"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What holds for every file that one run writes.

    Attributes
    ----------
    inputs : tuple of Path
        Files and folders that the run reads; never replaced.
    overwrite : bool
        Whether files that are not this program's own may be replaced.
    identifiers : bool
        Whether outputs name patient, study, film and date. Tables that do are their owner's
        only (0600).
    """

    inputs: tuple[Path, ...] = ()
    overwrite: bool = False
    identifiers: bool = True

    def written(
        self, path: Path, header: bytes | None = None, *, private: bool | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Open an output (see `pneumoscore.files.written`).

        Parameters
        ----------
        path : Path
            The file.
        header : bytes, optional
            First line of a table.
        private : bool, optional
            Whether it is its owner's only; by default, if it holds identifiers.
        """
        return written(
            path,
            inputs=self.inputs,
            overwrite=self.overwrite,
            header=header,
            private=self.identifiers if private is None else private,
        )


class _BrokenOffError(Exception):
    pass


def break_off(files: ExitStack) -> None:
    """Close outputs that were opened so that none of them appears."""
    try:
        with files:
            raise _BrokenOffError
    except _BrokenOffError:
        return
