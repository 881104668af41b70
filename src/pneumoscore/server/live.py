"""A bell: pages wait for the next thing that is done."""

from __future__ import annotations

import threading

__all__ = ["Bell"]


class Bell:
    """Counts what was done and lets threads wait for more."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it rang."""
        return self._count

    def ring(self) -> None:
        """Say that something is new."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """Wait until it has rung more than `seen` times or the time is over; return the count."""
        with self._condition:
            self._condition.wait_for(lambda: self._count > seen, seconds)
            return self._count
