"""A bound on how often something may be tried."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """At most so many tries in a time for each key, in memory.

    Parameters
    ----------
    tries : int
        How many.
    seconds : float
        In which time.
    keys : int, optional
        How many keys are remembered; the oldest is forgotten first, so that memory is bounded.
    clock : callable, optional
        Seconds, never falling.
    """

    def __init__(
        self,
        tries: int,
        seconds: float,
        keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries = tries
        self._seconds = seconds
        self._keys = keys
        self._clock = clock
        self._at: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, key: str) -> float:
        """Count a try and return 0, or return the seconds to wait, without counting it."""
        with self._lock:
            now = self._clock()
            tries = self._at.setdefault(key, deque())
            self._at.move_to_end(key)
            while tries and tries[0] <= now - self._seconds:
                tries.popleft()
            if len(tries) >= self._tries:
                return tries[0] + self._seconds - now
            tries.append(now)
            while len(self._at) > self._keys:
                self._at.popitem(last=False)
            return 0.0

    def forget(self, key: str) -> None:
        """Forget the tries of a key, after one that was right."""
        with self._lock:
            self._at.pop(key, None)
