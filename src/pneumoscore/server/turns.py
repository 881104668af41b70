"""One at a time: others wait, and hold no thread while they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

__all__ = ["Turns"]


class Turns:
    """Turns at what only one may do at a time, by key."""

    def __init__(self) -> None:
        # A lock goes with the last who has it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for a key's turn, and have it until the block ends."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield
