"""What stands in the outbox: finished objects, where their deliveries are, and for how long."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Delivery", "OutboxObject", "Patience"]


class Delivery(StrEnum):
    """Where a delivery stands.

    Attributes
    ----------
    OWED
        To be sent once it is due.
    SENT
        The target has it; its commitment is awaited where that was asked for.
    CONFIRMED
        The target has committed itself to keep it.
    DEAD
        Given up; a person must look.
    """

    OWED = "owed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a delivery is tried.

    Attributes
    ----------
    first, longest : float
        Seconds before the first repetition, and the most between two; doubled in between.
    end : float
        Seconds after which a delivery is given up.
    """

    first: float = 2.0
    longest: float = 300.0
    end: float = 3 * 86400.0

    def delay(self, attempts: int) -> float:
        """Return the seconds before the next attempt, spread by a fifth."""
        delay = min(self.first * 2.0 ** min(attempts, 30), self.longest)
        return delay * random.uniform(0.9, 1.1)


@dataclass(frozen=True, slots=True)
class OutboxObject:
    """A finished object.

    Attributes
    ----------
    uid, kind, sop_class_uid : str
        As of a `Parcel`.
    data : bytes
        Its bytes.
    """

    uid: str
    kind: str
    sop_class_uid: str
    data: bytes
