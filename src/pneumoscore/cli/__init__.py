"""The command line: parse, call, print."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``pneumoscore`` command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        Exit status, a `pneumoscore.cli.status.ExitStatus`: 0 all done, 1 some film has no
        score, 2 wrong usage, 3 nothing could be done, 130 interrupted, 141 nobody reads the
        output any more.

    Notes
    -----
    ``OPENBLAS_NUM_THREADS`` is set to 1 unless it is set already: the products of matrices that
    a score needs are small, and each thread of that library spins while it waits for one.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported
    from pneumoscore.cli.app import run

    return run(argv)
