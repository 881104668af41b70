"""A bell: pages wait for the next thing that is done."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pneumoscore.errors import PneumoScoreError

__all__ = ["Bell", "TooManyListenersError"]


class TooManyListenersError(PneumoScoreError):
    """One account, or all together, listen at too many places."""


class Bell:
    """Counts what was done and lets pages wait for more, without a thread for each.

    It is rung from any thread; who waits does so on an event loop.

    Parameters
    ----------
    each, together : int, optional
        Most pages of one account, and of all, that listen at once.
    """

    def __init__(self, each: int = 6, together: int = 120) -> None:
        self._each = each
        self._together = together
        self._accounts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it rang."""
        return self._count

    @property
    def listeners(self) -> int:
        """How many pages listen."""
        return self._accounts.total()

    @contextmanager
    def listening(self, account: str) -> Iterator[None]:
        """Count a page that listens.

        Parameters
        ----------
        account : str
            Whose.

        Raises
        ------
        TooManyListenersError
            If there are too many.
        """
        with self._lock:
            mine, all_ = self._accounts[account], self._accounts.total()
            if mine >= self._each or all_ >= self._together:
                raise TooManyListenersError(
                    f"{mine} pages of this account and {all_} of all listen for news",
                    f"at most {self._each} and {self._together}",
                    "close some, or reload this one by hand",
                )
            self._accounts[account] += 1
        try:
            yield
        finally:
            with self._lock:
                self._accounts[account] -= 1
                if not self._accounts[account]:
                    del self._accounts[account]

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
