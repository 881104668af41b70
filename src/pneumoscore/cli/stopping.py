"""Told to stop by a signal: what serves ends in order, whichever thread takes the signal."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["stopped_by_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Have `stop` called when SIGTERM or SIGINT comes.

    Python runs a signal's handler in the main thread, and a main thread that waits is not woken
    by a signal that another thread took. The byte that the signal writes is read by a thread of
    its own, which calls `stop`.

    Parameters
    ----------
    stop : callable
        Called in a thread of its own, once for each signal.

    Raises
    ------
    ValueError
        If not entered in the main thread.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    before = {number: signal.signal(number, _leave_it) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while number := heard.recv(1):
            if number[0] in _SIGNALS:
                stop()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        told.close()
        thread.join()
        heard.close()


def _leave_it(number: int, frame: object) -> None:
    """Do nothing: the thread that reads the signal's byte acts on it."""
