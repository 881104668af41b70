"""How a listener's store stands: for the command, and for a page on the loop back."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pipeline.inbox import Inbox, State

__all__ = ["StatusServer", "store_status"]


def store_status(inbox: Inbox, outbox: Outbox, store: Path) -> dict[str, Any]:
    """Return counts, ages and reasons; nothing of a patient.

    Parameters
    ----------
    inbox, outbox
        Of the store.
    store : Path
        Its folder.
    """
    now = time.time()
    waiting = [entry.came for entry in inbox.entries(State.WAITING)]
    dead = Counter(entry.error or "unknown" for entry in inbox.entries(State.DEAD))
    owed = outbox.oldest_owed()
    return {
        "films": {str(state): count for state, count in inbox.counts().items()},
        "oldest_waiting_seconds": round(now - min(waiting), 1) if waiting else None,
        "dead_films": dict(dead),
        "results": outbox.results(),
        "deliveries": outbox.counts(),
        "oldest_owed_seconds": None if owed is None else round(now - owed, 1),
        "failures": outbox.failures(),
        "free_mb": shutil.disk_usage(store).free // 2**20,
    }


class StatusServer:
    """Answers ``GET /status`` on the loop back with JSON.

    Parameters
    ----------
    port : int
        Where.
    status : callable
        Gives the content.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, port: int, status: Callable[[], dict[str, Any]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path != "/status":
                    self.send_error(404)
                    return
                body = json.dumps(status(), indent=1).encode("ascii")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, name="status", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
