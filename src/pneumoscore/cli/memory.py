"""How a long run of this program takes memory from the system."""

from __future__ import annotations

import ctypes

__all__ = ["share_arenas"]

_M_ARENA_MAX = -8  # mallopt(3)


def share_arenas(count: int = 2) -> None:
    """Let all threads of this process take memory from a few places, where the C library is glibc.

    It gives each thread a place of its own, up to eight for a processor core, and each keeps the
    most that was ever taken from it. To be called before threads are started.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, count)
    except (AttributeError, OSError, TypeError):  # another C library
        return
