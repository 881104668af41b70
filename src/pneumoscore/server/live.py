"""A bell: pages wait for the next thing that is done."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

__all__ = ["Bell"]


class Bell:
    """Counts what was done and lets pages wait for more, without a thread for each.

    It is rung from any thread; who waits does so on an event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it rang."""
        return self._count

    def ring(self) -> None:
        """Say that something is new."""
        with self._lock:
            self._count += 1
            waiting = tuple(self._waiting)
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop has ended since
                loop.call_soon_threadsafe(event.set)

    async def wait(self, seen: int, seconds: float) -> int:
        """Wait until it has rung more than `seen` times or the time is over; return the count."""
        event = asyncio.Event()
        me = (asyncio.get_running_loop(), event)
        with self._lock:
            if self._count > seen:
                return self._count
            self._waiting.add(me)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            with self._lock:
                self._waiting.discard(me)
        return self._count
