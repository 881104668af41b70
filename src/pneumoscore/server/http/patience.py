"""How long the server waits for those who send slowly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pneumoscore.server.errors import TooSlowError

__all__ = ["BODY_SECONDS", "PatientProtocol", "in_time"]

HEAD_SECONDS = 10.0
"""In which a request's head must come."""
BODY_SECONDS = 20.0
"""In which a form must come, and the next piece of a film."""
_GRACE_SECONDS = 60.0
_LEAST_RATE = 4096.0  # bytes a second, after the grace
_HEADLESS = 100
"""Connections of one address that may be open without a whole head of a request."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which no whole head of a request comes in time.

    uvicorn itself waits for ever, and counts what waits among the connections that it serves
    (a *slowloris* attack); what it counts from one address is bounded here too.
    """

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        self._watch: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if self.client is not None:
            same = sum(
                other.client is not None
                and other.client[0] == self.client[0]
                and getattr(other, "_watch", None) is not None
                for other in self.connections
                if isinstance(other, PatientProtocol)
            )
            if same >= _HEADLESS:
                transport.close()
                return
        self._begin_watch()

    def data_received(self, data: bytes) -> None:
        """Take bytes in; the time for a head runs from its first byte."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_watch()
        elif self._watch is None:
            self._begin_watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_watch()
        super().connection_lost(exc)

    def _begin_watch(self) -> None:
        self._watch = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _too_slow(self) -> None:
        self._watch = None
        if not self.transport.is_closing():
            self.transport.close()


async def in_time(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body as long as they come fast enough.

    Raises
    ------
    TooSlowError
        If a piece does not come in `BODY_SECONDS`, or the whole is slower than a bad line.
    """
    begun, count = time.monotonic(), 0
    pieces = aiter(stream)
    while True:
        try:
            piece = await asyncio.wait_for(anext(pieces), BODY_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TooSlowError("the body stopped coming", remedy="send it again") from None
        count += len(piece)
        yield piece
        spent = time.monotonic() - begun
        if spent > _GRACE_SECONDS and count / spent < _LEAST_RATE:
            raise TooSlowError(
                f"the body comes at {count / spent:.0f} bytes a second",
                f"at least {_LEAST_RATE:.0f}",
            )
