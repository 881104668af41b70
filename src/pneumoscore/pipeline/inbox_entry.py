"""One film in the inbox, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["Entry", "State"]


class State(StrEnum):
    """Where an entry stands.

    Attributes
    ----------
    WAITING
        To be claimed once it is due.
    CLAIMED
        A worker has it until its lease ends.
    DONE
        Its film is gone from here; the entry stays, so that it is not taken in again.
    DEAD
        Given up after too many attempts; its film is kept for a person to look at.
    """

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Entry:
    """One film in the inbox.

    Attributes
    ----------
    id : int
        Of this inbox.
    key : str
        What makes it one film, as its SOP Instance UID; never taken in twice.
    path : Path
        Its file.
    content : str
        SHA-256 of its bytes.
    details : mapping
        What was said with it: JSON values.
    state : State
        Where it stands.
    attempts : int
        Times it was claimed.
    error : str or None
        Why the last attempt failed.
    came : float
        When it came in, seconds since 1970.
    """

    id: int
    key: str
    path: Path
    content: str
    details: Mapping[str, Any]
    state: State
    attempts: int
    error: str | None
    came: float
