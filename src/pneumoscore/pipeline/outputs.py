"""What holds for every file that one run writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pneumoscore.files import FileIdentity, Header, check_output, identity_of, written
from pneumoscore.pipeline.walk import Found

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
    read : set of FileIdentity
        Files that were found on the way (`noting`); never replaced either.
    """

    inputs: tuple[Path, ...] = ()
    overwrite: bool = False
    identifiers: bool = True
    read: set[FileIdentity] = field(default_factory=set)

    def noting(self, films: Iterable[Found]) -> Iterator[Found]:
        """Yield films as they are found, and note them: no output then takes their place."""
        for found in films:
            with suppress(OSError, ValueError):  # what is not there is told by its problem
                self.read.add(identity_of(found.path))
            yield found

    def check(self, path: Path, *, overwrite: bool | None = None) -> None:
        """Raise unless an output may be written (see `pneumoscore.files.check_output`).

        Parameters
        ----------
        path : Path
            The file.
        overwrite : bool, optional
            By default the run's.
        """
        allowed = self.overwrite if overwrite is None else overwrite
        check_output(path, inputs=self.inputs, read=self.read, overwrite=allowed)

    def written(
        self, path: Path, header: Header = None, *, private: bool | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Open an output (see `pneumoscore.files.written`).

        Parameters
        ----------
        path : Path
            The file.
        header : bytes or pattern, optional
            First line of a table, or what matches it.
        private : bool, optional
            Whether it is its owner's only; by default, if it holds identifiers.
        """
        return written(
            path,
            inputs=self.inputs,
            read=self.read,
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
