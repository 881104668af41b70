"""Files sent as they are."""

from __future__ import annotations

from fastapi.responses import FileResponse

__all__ = ["SentFile"]


class SentFile(FileResponse):
    """A file in pieces that are large enough: each costs a turn of a thread."""

    chunk_size = 1024 * 1024
