"""Threads of a long run share the places that memory is taken from."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Ten threads take memory at once; glibc then says how many places they took it from.
_SCRIPT = """
import ctypes, sys, threading
from pneumoscore.cli.memory import share_arenas

if sys.argv[1] == "shared":
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
gate = threading.Barrier(10)

def take():
    gate.wait()
    libc.malloc(1000)
    gate.wait()

threads = [threading.Thread(target=take) for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has such places")
def test_threads_share_two_places():
    def places(how: str) -> int:
        command = [sys.executable, "-c", _SCRIPT, how]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return said.count("<heap nr=")

    assert places("shared") <= 2 < places("as ever")
