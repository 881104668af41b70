"""ONNX Runtime, imported so that it reports to nobody.

The one place that imports it. Its builds with telemetry write a device identifier below the
user's home and call their vendor unless told otherwise before the import.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from pneumoscore.errors import ModelError

__all__ = ["TELEMETRY_VARIABLE", "Device", "onnx_runtime", "runtime_failures", "start_session"]

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"


class Device(StrEnum):
    """Where a network is computed."""

    CPU = "cpu"
    CUDA = "cuda"
    """An NVIDIA GPU, by ONNX Runtime's build for it."""


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


def start_session(network: bytes, file: Path, threads: int, device: Device = Device.CPU) -> Any:
    """Return an ONNX Runtime session.

    Parameters
    ----------
    network : bytes
        The ONNX file, or its beginning.
    file : Path
        Where it lies, for messages.
    threads : int
        That work on one film.
    device : Device, optional
        Where it is computed.

    Raises
    ------
    ModelError
        If ONNX Runtime cannot load it, or cannot use the device: it is never replaced by another
        one in silence.
    """
    onnxruntime = onnx_runtime()
    if device is Device.CUDA and _CUDA not in onnxruntime.get_available_providers():
        raise _without_cuda("ONNX Runtime is installed without it")
    options = onnxruntime.SessionOptions()
    # A number given outright also keeps ONNX Runtime from pinning its threads to cores, which
    # fails in containers that hold only some of them.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning slow down a machine that has other work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena keeps the largest batch's memory for ever; films come one at a time.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(
            network, sess_options=options, providers=_providers(device)
        )
    except runtime_failures() as error:
        if device is Device.CUDA:
            raise _without_cuda(str(error)) from error
        raise ModelError(
            f"ONNX Runtime cannot load {file} ({error})", "a backbone's ONNX file"
        ) from error
    if device is Device.CUDA and _CUDA not in session.get_providers():
        # It falls back without a word where the driver or a library of CUDA is missing.
        raise _without_cuda("ONNX Runtime finds no GPU, driver or library that it can use")
    return session


def _providers(device: Device) -> list[Any]:
    if device is Device.CPU:
        return [_CPU]
    # Shortened products would move scores by more than other processors do.
    return [(_CUDA, {"use_tf32": "0"}), _CPU]


def _without_cuda(why: str) -> ModelError:
    return ModelError(
        f"the network cannot be computed by CUDA ({why})",
        "an NVIDIA GPU with its driver, and the package onnxruntime-gpu in place of onnxruntime",
        "install them, or leave --device out",
    )
