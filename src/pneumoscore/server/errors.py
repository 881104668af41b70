"""Errors of the server that a person can mend."""

from __future__ import annotations

from pneumoscore.errors import PneumoScoreError

__all__ = ["AccountError", "ProviderError", "ReadingError", "TooSlowError"]


class AccountError(PneumoScoreError):
    """An account's name, password or role that cannot be."""


class ReadingError(PneumoScoreError):
    """A step in a reader study that its state or its rules do not allow."""


class ProviderError(PneumoScoreError):
    """An identity provider that does not answer, or whom it vouches for may not come in."""


class TooSlowError(PneumoScoreError):
    """A body that comes too slowly."""
