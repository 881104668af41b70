"""A service is told to stop whichever of its threads takes the signal."""

from __future__ import annotations

import signal
import threading

import pytest

from pneumoscore.cli.stopping import stopped_by_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_takes_ends_the_wait_of_the_main_one(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    stop = threading.Event()

    def take() -> None:
        signal.pthread_kill(threading.get_ident(), number)

    with stopped_by_signals(stop.set):
        # Later, so that the main thread is waiting by then.
        timer = threading.Timer(0.2, take)
        timer.start()
        assert stop.wait(20.0)
        timer.join()
    assert signal.getsignal(number) is before


def test_each_signal_is_heard_and_none_after_the_end() -> None:
    heard, others = threading.Semaphore(0), threading.Semaphore(0)
    before = signal.signal(signal.SIGTERM, lambda *_: others.release())
    try:
        with stopped_by_signals(heard.release):
            for _ in range(3):
                signal.raise_signal(signal.SIGTERM)
                assert heard.acquire(timeout=20.0)
        signal.raise_signal(signal.SIGTERM)
        assert others.acquire(timeout=20.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not heard.acquire(blocking=False)
    assert not others.acquire(blocking=False)
    assert signal.set_wakeup_fd(-1) == -1
