"""ONNX Runtime, imported so that it reports to nobody.

The one place that imports it. Its builds with telemetry write a device identifier below the
user's home and call their vendor unless told otherwise before the import.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["TELEMETRY_VARIABLE", "onnx_runtime", "runtime_failures"]

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> Any:
    """Return the module ``onnxruntime``, its telemetry off whatever the environment says.

    The variable stays set, so that processes started from here report nothing either.
    """
    os.environ[TELEMETRY_VARIABLE] = "1"
    already_loaded = "onnxruntime" in sys.modules
    import onnxruntime

    if already_loaded:
        # Somebody imported it before us, perhaps with telemetry.
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def runtime_failures() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises; the classes have no common base."""
    onnx_runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime

    return (
        runtime.Fail,
        runtime.InvalidArgument,
        runtime.InvalidGraph,
        runtime.InvalidProtobuf,
        runtime.NotImplemented,
        runtime.RuntimeException,
    )
