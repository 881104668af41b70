"""Errors of the floor beside an archive.

::

    PneumoScoreError
     ├─ HeaderError   a film that no result can refer to
     └─ PeerError     a peer refused, failed or did not answer
"""

from __future__ import annotations

import importlib

from pneumoscore.errors import FailureReason, MissingExtraError, PneumoScoreError

__all__ = ["HeaderError", "PeerError", "need"]


class HeaderError(PneumoScoreError):
    """A film whose header lacks or garbles what a result must name."""

    reason = FailureReason.UNSUPPORTED


class PeerError(PneumoScoreError):
    """A peer refused, failed or did not answer; the same may succeed later."""


def need(*modules: str) -> None:
    """Import modules of the extra ``pacs``, or say how to install it.

    Raises
    ------
    MissingExtraError
        If one is missing.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f"the package {module!r} is not installed",
                "the extra 'pacs'",
                "run: pip install 'pneumoscore[pacs]'",
            ) from error
