"""Reading PyTorch checkpoints without PyTorch and without executing their pickle.

The unpickler (`pneumoscore.convert.unpickling`) turns a whole pickled module, as
torchxrayvision publishes it, into inert bags of attributes; its parameters are then collected
as ``state_dict()`` would. Both formats of ``torch.save`` are read: the zip archive (PyTorch 1.6
and later) and the stream before it.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pneumoscore.convert.unpickling import (
    Array,
    AttributeBag,
    RestrictedUnpickler,
    Storage,
    StorageType,
    Tensor,
    next_pickle,
)
from pneumoscore.errors import ModelError

__all__ = ["read_state_dict"]

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
# Far above a DenseNet's 30 MB; a bound so that a wrong file costs no machine its memory.
LARGEST_CHECKPOINT = 1024**3
MOST_MODULES = 100_000


def read_state_dict(path: str | Path) -> dict[str, Array]:
    """Return the named tensors of a PyTorch checkpoint.

    Parameters
    ----------
    path : str or Path
        A file of ``torch.save``: a state dict, a dict that holds one (``state_dict``,
        ``model_state_dict`` or ``model``), or a whole module.

    Returns
    -------
    dict of str to ndarray
        Tensors under their state-dict names; bfloat16 as float32.

    Raises
    ------
    ModelError
        If the file cannot be read, is no checkpoint, is damaged, or asks for code.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_CHECKPOINT:
            raise ModelError(f"{path} is larger than 1 GiB", "a network's checkpoint")
        data = path.read_bytes()
        is_zip = data.startswith(ZIP_MAGIC)
        content = (_read_zip if is_zip else _read_stream)(io.BytesIO(data))
        state = _state_of(content)
        # Many names of one large tensor would each get a copy.
        if sum(tensor.stored_bytes for tensor in state.values()) > LARGEST_CHECKPOINT:
            raise ModelError("the tensors take more than 1 GiB", "a network's checkpoint")
        arrays = {name: tensor.array() for name, tensor in state.items()}
    except ModelError as error:
        raise ModelError(f"{path}: {error.found}", error.expected, error.remedy) from error
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error})", "a PyTorch checkpoint"
        ) from error
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        struct.error,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        NotImplementedError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        # What pickle and zipfile raise on damaged bytes is not documented more narrowly.
        raise ModelError(
            f"{path} is damaged or no checkpoint ({type(error).__name__})",
            "a file written by torch.save",
            "get the file again and compare its size or hash with the source's",
        ) from error
    if not arrays:
        raise ModelError(f"{path} holds no tensors", "a network's checkpoint")
    return arrays


def _read_zip(stream: io.BytesIO) -> Any:
    """Read the zip format: ``NAME/data.pkl`` and one stored member for each storage."""
    size = len(stream.getbuffer())
    with zipfile.ZipFile(stream) as archive:
        members = {item.filename: item for item in archive.infolist()}
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ModelError("the zip file holds no data.pkl", "a file written by torch.save")
        root = pickles[0].removesuffix("data.pkl")

        def member(name: str) -> bytes:
            # torch.save never compresses; a compressed member could unfold without bound.
            if members[name].compress_type != zipfile.ZIP_STORED:
                raise ModelError(f"member {name} is compressed", "a file written by torch.save")
            return archive.read(name)

        if f"{root}byteorder" in members and member(f"{root}byteorder") != b"little":
            raise ModelError("the checkpoint is big-endian", "a little-endian one")
        storages: dict[str, Storage] = {}
        taken = 0

        def storage(kind: StorageType, key: str, count: int) -> Storage:
            nonlocal taken
            if key not in storages:
                data = member(f"{root}data/{key}")
                taken += len(data)
                if taken > size:
                    raise ModelError("members of the zip file overlap", "a whole checkpoint")
                storages[key] = Storage(kind, count)
                storages[key].values = kind.array(data)
            return _same_storage(storages[key], kind, count)

        return RestrictedUnpickler(next_pickle(io.BytesIO(member(pickles[0]))), storage).load()


def _read_stream(stream: io.BytesIO) -> Any:
    """Read the stream format: four pickles, the storage keys, then the storages."""
    size = len(stream.getbuffer())
    storages: dict[str, Storage] = {}

    def storage(kind: StorageType, key: str, count: int) -> Storage:
        return _same_storage(storages.setdefault(key, Storage(kind, count)), kind, count)

    def load() -> Any:
        return RestrictedUnpickler(next_pickle(stream), storage).load()

    if load() != LEGACY_MAGIC or load() != LEGACY_PROTOCOL:
        raise ModelError("the file is no checkpoint", "a file written by torch.save")
    system = load()
    if not isinstance(system, dict) or not system.get("little_endian", True):
        raise ModelError("the checkpoint is big-endian", "a little-endian one")
    content = load()
    for key in load():
        (count,) = struct.unpack("<q", stream.read(8))
        found = storages[key]
        length = count * found.kind.item_bytes
        if count != found.count or length > size - stream.tell():
            raise ModelError("the file ends before its tensors do", "a whole checkpoint")
        found.values = found.kind.array(stream.read(length))
    return content


def _same_storage(storage: Storage, kind: StorageType, count: int) -> Storage:
    if storage.kind != kind or storage.count != count:
        raise ModelError("one storage is described in two ways", "a whole checkpoint")
    return storage


def _state_of(content: object) -> dict[str, Tensor]:
    """Return the state dict of what a checkpoint holds."""
    if isinstance(content, AttributeBag):
        return _module_state(content)
    if not isinstance(content, Mapping):
        raise ModelError(f"the checkpoint holds a {type(content).__name__}", "a state dict")
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content.get(key), (Mapping, AttributeBag)):
            return _state_of(content[key])
    return {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _module_state(module: AttributeBag) -> dict[str, Tensor]:
    """Collect a module's parameters and buffers under the names state_dict() gives them."""
    state: dict[str, Tensor] = {}
    waiting = [("", module)]
    visited = 0
    while waiting:
        prefix, current = waiting.pop()
        visited += 1
        if visited > MOST_MODULES:
            raise ModelError("the network's modules are nested without end", "a network")
        for kind in ("_parameters", "_buffers"):
            for name, value in _items(current, kind):
                if isinstance(value, Tensor):
                    state[f"{prefix}{name}"] = value
        for name, child in _items(current, "_modules"):
            if isinstance(child, AttributeBag):
                waiting.append((f"{prefix}{name}.", child))
    return state


def _items(module: AttributeBag, kind: str) -> list[tuple[object, object]]:
    values = module.attributes.get(kind)
    return list(values.items()) if isinstance(values, Mapping) else []
