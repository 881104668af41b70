"""Running a backbone: an ONNX Runtime session behind its record."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pneumoscore.backbone.record import BackboneOutput, BackboneRecord, load_record
from pneumoscore.backbone.registry import find_backbone
from pneumoscore.backbone.runtime import Device, onnx_runtime, runtime_failures, start_session
from pneumoscore.errors import ModelError

__all__ = ["Backbone", "physical_cores"]


class Backbone:
    """A network ready to run: radiograph to findings, features and feature map.

    Use `Backbone.open`. A backbone may be shared by threads; ONNX Runtime allows concurrent
    runs of one session.

    Attributes
    ----------
    record : BackboneRecord
        What the network is and how it wants to be fed.
    """

    def __init__(
        self,
        record: BackboneRecord,
        file: Path,
        threads: int,
        device: Device = Device.CPU,
    ) -> None:
        self.record = record
        self._file = file
        self._threads = threads
        self._device = device
        self._gradient_session: Any = None
        self._lock = threading.Lock()
        self._loading: Future[Any] = Future()

    @classmethod
    def open(
        cls,
        record: str | Path,
        *,
        threads: int | None = None,
        device: Device = Device.CPU,
        wait: bool = True,
    ) -> Backbone:
        """Open a backbone by the path of its record, or by its name.

        Parameters
        ----------
        record : str or Path
            A path (of a ``.json`` file), or the name of a built-in or added backbone.
        threads : int, optional
            Threads that work on one film; the physical cores by default.
        device : Device, optional
            Where the network is computed.
        wait : bool, optional
            Whether to return once the network is loaded. Else it is loaded meanwhile, and what
            is wrong with its file is raised by what runs it first.

        Raises
        ------
        ModelError
            If there is no such backbone, its file is missing, its hash is another than the
            record says, its inputs and outputs do not fit the record, or the device cannot be
            used.
        """
        if threads is not None and threads < 1:
            raise ModelError(f"threads is {threads}", "1 or more")
        is_path = isinstance(record, Path) or str(record).endswith(".json")
        path = Path(record) if is_path else find_backbone(str(record))
        loaded = load_record(path)
        opened = cls(loaded, path.parent / loaded.file, threads or physical_cores(), device)
        if wait:
            # In this thread: another would take the file's memory from a place of its own.
            opened._loading.set_result(opened._start(loaded.forward_bytes))
        else:
            opened._load_meanwhile()
        return opened

    def _load_meanwhile(self) -> None:
        """Load the network in a thread, which ends with that; `wait` raises what went wrong."""
        # Before the thread: an import here and one there would wait for each other's turn.
        onnx_runtime()
        loader = ThreadPoolExecutor(1, thread_name_prefix="pneumoscore-load")
        self._loading = loader.submit(self._start, self.record.forward_bytes)
        loader.shutdown(wait=False)

    def _start(self, count: int | None) -> Any:
        """Return a session of the first bytes of the file, of all of them by default.

        Scores take those without the gradient's nodes: ONNX Runtime runs every node of a
        session, asked or not.
        """
        network = _verified_bytes(self.record, self._file, count)
        session = start_session(network, self._file, self._threads, self._device)
        gradient = self.record.has_gradient and count is None
        _verify_interface(self.record, self._file, session, gradient=gradient)
        return session

    def wait(self) -> None:
        """Return once the network is loaded.

        Raises
        ------
        ModelError
            If its file is missing, damaged, or does not fit the record.
        """
        self._loading.result()

    def run(self, batch: NDArray[np.float32]) -> BackboneOutput:
        """Run the network on prepared films.

        Parameters
        ----------
        batch : ndarray of float32, shape (n, 1, size, size)
            Films prepared by the record's `InputSpec`.

        Returns
        -------
        BackboneOutput
            Findings (raw logits), features, feature map and, if the file has them, lungs.

        Raises
        ------
        ModelError
            If the batch has another shape or holds values that are not finite.
        """
        names = ["findings", "features", "feature_map"]
        if self.record.has_lungs:
            names.append("lungs")
        feeds = {"film": self._films(batch)}
        if self.record.has_gradient and self.record.forward_bytes is None:
            feeds["coefficients"] = np.zeros(self.record.feature_width, dtype=np.float32)
        return BackboneOutput(*self._run(self._loading.result(), names, feeds))

    def input_gradient(
        self, batch: NDArray[np.float32], coefficients: ArrayLike
    ) -> NDArray[np.float32]:
        """Return the gradient of ``coefficients . features`` with respect to each film.

        Parameters
        ----------
        batch : ndarray of float32, shape (n, 1, size, size)
            Prepared films.
        coefficients : array_like, shape (feature_width,)
            Direction in the space of the features: a head's coefficients.

        Returns
        -------
        ndarray of float32, shape (n, size, size)
            Change of the product for each unit of pixel value.

        Raises
        ------
        ModelError
            If the file has no gradient, or an argument has another shape.
        """
        if not self.record.has_gradient:
            raise ModelError(
                f"backbone {self.record.name!r} was stored without its input gradient",
                "a backbone with has_gradient",
                "add it again with `pneumoscore model add`, or leave the saliency map out",
            )
        direction = np.ascontiguousarray(coefficients, dtype=np.float32)
        if direction.shape != (self.record.feature_width,) or not np.isfinite(direction).all():
            raise ModelError(
                f"the coefficients have shape {direction.shape}",
                f"({self.record.feature_width},), all finite",
            )
        feeds = {"film": self._films(batch), "coefficients": direction}
        (gradient,) = self._run(self._with_gradient(), ["input_gradient"], feeds)
        return gradient[:, 0]

    def _run(
        self, session: Any, names: list[str], feeds: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        try:
            results: list[NDArray[np.float32]] = session.run(names, feeds)
        except runtime_failures() as error:
            raise ModelError(
                f"ONNX Runtime cannot run {self._file} ({error})", "a network for batches of films"
            ) from error
        return results

    def _films(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        size = self.record.input.size
        films = np.ascontiguousarray(batch, dtype=np.float32)
        if films.ndim != 4 or films.shape[0] == 0 or films.shape[1:] != (1, size, size):
            raise ModelError(f"the batch has shape {films.shape}", f"(n, 1, {size}, {size})")
        if not np.isfinite(films).all():
            raise ModelError("the batch holds values that are not finite", "prepared films")
        return films

    def _with_gradient(self) -> Any:
        """Return the session of the whole file, started when first asked for."""
        if self.record.forward_bytes is None:
            return self._loading.result()
        with self._lock:
            if self._gradient_session is None:
                self._gradient_session = self._start(None)
        return self._gradient_session


def physical_cores() -> int:
    """Return how many physical cores this process may use, at least 1.

    On Linux the cores of the affinity mask, each counted once however many hardware threads
    it has; elsewhere the number of processors.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    processors = os.sched_getaffinity(0)
    cores = set()
    for processor in processors:
        topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.add(topology.read_text())
        except OSError:
            return len(processors)
    return max(len(cores), 1)


def _verified_bytes(record: BackboneRecord, file: Path, count: int | None) -> bytes:
    """Return the file's first `count` bytes, after comparing the whole's hash with the record's."""
    remedy = f"install backbone {record.name!r} again"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{file.name} cannot be read ({error.strerror})",
            f"file {file.name} at {file.parent}",
            remedy,
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != record.sha256:
        raise ModelError(f"{file} has SHA-256 {found}", record.sha256, remedy)
    return data[:count]


def _verify_interface(record: BackboneRecord, file: Path, session: Any, *, gradient: bool) -> None:
    """Compare the file's inputs and outputs with the record (docs/architecture.md)."""
    size, width, places = record.input.size, record.feature_width, record.map_size
    inputs: dict[str, tuple[int | None, ...]] = {"film": (None, 1, size, size)}
    outputs: dict[str, tuple[int | None, ...]] = {
        "findings": (None, len(record.findings)),
        "features": (None, width),
        "feature_map": (None, width, places, places),
    }
    if record.has_lungs:
        outputs["lungs"] = (None, 2, places, places)
    if gradient:
        inputs["coefficients"] = (width,)
        outputs["input_gradient"] = (None, 1, size, size)
    _verify_values("input", inputs, session.get_inputs(), file, all_known=True)
    _verify_values("output", outputs, session.get_outputs(), file, all_known=False)


def _verify_values(
    kind: str,
    expected: dict[str, tuple[int | None, ...]],
    found: Iterable[Any],
    file: Path,
    *,
    all_known: bool,
) -> None:
    by_name = {value.name: value for value in found}
    for name, shape in expected.items():
        if name not in by_name:
            raise ModelError(f"{file} has no {kind} {name!r}", f"the {kind}s of its record")
        value = by_name[name]
        fits = len(value.shape) == len(shape) and all(
            # A batch of any size; other lengths may be unknown to the file, but not different.
            not isinstance(length, int) or length == wanted
            for wanted, length in zip(shape, value.shape, strict=True)
        )
        if not fits or value.type != "tensor(float)":
            raise ModelError(
                f"{kind} {name!r} of {file} is {value.type} of shape {tuple(value.shape)}",
                "float32 of shape "
                + str(tuple("n" if length is None else length for length in shape)),
            )
    if all_known and (extra := sorted(set(by_name) - set(expected))):
        raise ModelError(f"{file} has the unknown {kind} {', '.join(extra)}", "only its record's")
