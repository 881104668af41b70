"""A process that works until its input ends; run as a module by `WorkerPool`.

Messages are pickles: first what is done (a `FilmReader`), then what it is done with, and whether
questions are answered meanwhile; each has a reply. They come from the process that started this
one, never from outside.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from typing import Any

from pneumoscore.pipeline.engines.processes import QUESTION, receive, send

__all__: list[str] = []


def _main() -> None:
    # An interrupt ends the process that asks; this one then finds the end of its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    # What a decoder prints must not reach the replies.
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 1)
    setup = receive(requests)
    if setup is None:
        return
    work: Callable[..., Any] = pickle.loads(setup)
    send(replies, b"ready")

    def ask(question: Any) -> Any:
        send(replies, QUESTION + pickle.dumps(question))
        answer = receive(requests)
        if answer is None:
            raise SystemExit  # nobody waits for the result
        return pickle.loads(answer)

    while (received := receive(requests)) is not None:
        message, answered = pickle.loads(received)
        result = work(message, ask) if answered else work(message)
        send(replies, pickle.dumps(result, pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    _main()
