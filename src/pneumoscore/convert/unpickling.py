"""The unpickler behind `pneumoscore.convert.checkpoint`: it imports and calls nothing.

A pickle can call whatever its reader finds for the names it holds (Python documentation,
"Restricting Globals"). This one finds only names of its own: builders of tensors, plain
containers, and for every class it does not know an inert bag of attributes. Names from
Python's standard library or builtins, which no checkpoint needs, are refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pneumoscore.errors import ModelError

__all__ = ["AttributeBag", "RestrictedUnpickler", "Storage", "StorageType", "Tensor", "next_pickle"]

Array = NDArray[Any]

BFLOAT16 = "bfloat16"
STORAGE_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
# With the names that pickle's older protocols write for Python 2.
STANDARD_LIBRARY = sys.stdlib_module_names | {
    *sys.builtin_module_names,
    "__builtin__",
    "commands",
    "copy_reg",
    "exceptions",
}
MEMO_OPCODES = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
REGISTRY_OPCODES = frozenset(("EXT1", "EXT2", "EXT4"))
PLAIN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): tuple,
}
PLAIN_BUILTINS = {
    kind.__name__: kind
    for kind in (bool, complex, dict, float, frozenset, int, list, set, str, tuple)
}


class AttributeBag:
    """Stands for an object of a class that is not imported: keeps its attributes, does nothing."""

    attributes: dict[str, object]

    def __new__(cls, *arguments: object, **named: object) -> AttributeBag:
        """Make an empty bag, whatever the arguments; pickle need not call ``__init__``."""
        bag = super().__new__(cls)
        bag.attributes = {}
        return bag

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        for part in parts:
            if isinstance(part, dict):
                self.attributes.update({str(name): value for name, value in part.items()})

    def __setitem__(self, name: object, value: object) -> None:
        """Drop an item: a bag is no container."""

    def append(self, value: object) -> None:
        """Drop an item: a bag is no container."""

    def extend(self, values: object) -> None:
        """Drop items: a bag is no container."""


class _Fixed:
    """What a pickle makes and may not alter: its opcode BUILD would set attributes unchecked."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise ModelError("the checkpoint alters a tensor that it described", "a whole checkpoint")


# Without slots: a frozen dataclass with slots gets a __setstate__ of its own.
@dataclass(frozen=True)
class StorageType(_Fixed):
    """What a storage holds: a NumPy type, or bfloat16, which NumPy has not."""

    kind: str

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return 2 if self.kind == BFLOAT16 else np.dtype(self.kind).itemsize

    def array(self, data: bytes | bytearray) -> Array:
        """Return stored bytes as numbers."""
        if self.kind == BFLOAT16:
            upper = np.frombuffer(data, dtype="<u2").astype(np.uint32)
            return (upper << 16).view(np.float32)
        return np.frombuffer(data, dtype=self.kind)


class Storage(_Fixed):
    """A run of numbers that tensors look into; filled late in the stream format."""

    __slots__ = ("count", "kind", "values")

    def __init__(self, kind: StorageType, count: int) -> None:
        self.kind = kind
        self.count = count
        self.values: Array | None = None


class Tensor(_Fixed):
    """A view of a storage, made when all storages are filled."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        numbers = (offset, *shape, *strides)
        whole = all(isinstance(item, int) and item >= 0 for item in numbers)
        if not whole or len(shape) != len(strides):
            raise ModelError("a tensor has an impossible shape", "a whole checkpoint")
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        self._stay_within(storage.count)

    def _stay_within(self, numbers: int) -> None:
        """Raise if the tensor takes more than so many numbers of its storage."""
        count = int(np.prod(self.shape, dtype=object)) if self.shape else 1
        steps = zip(self.shape, self.strides, strict=True)
        last = self.offset + sum((length - 1) * step for length, step in steps)
        # Checked here because NumPy does not: a wrong stride would read foreign memory.
        if count > numbers or (count and last >= numbers):
            raise ModelError("a tensor reaches beyond its storage", "a whole checkpoint")

    @property
    def stored_bytes(self) -> int:
        """Bytes of the numbers, as stored."""
        return int(np.prod(self.shape, dtype=object)) * self.storage.kind.item_bytes

    def array(self) -> Array:
        """Return the numbers as an array of its own."""
        values = self.storage.values
        if values is None or values.size < self.storage.count:
            raise ModelError("a tensor's numbers are missing", "a whole checkpoint")
        self._stay_within(values.size)
        strides = tuple(step * values.itemsize for step in self.strides)
        view = np.lib.stride_tricks.as_strided(
            values[self.offset :], self.shape, strides, writeable=False
        )
        return np.array(view)


def next_pickle(stream: io.BytesIO) -> io.BytesIO:
    """Take the next pickle from a stream, after reading its opcodes without executing them.

    Some opcodes make the unpickler reserve as much memory as they say; the numbers they give
    are compared with the pickle's own length first.

    Raises
    ------
    ModelError
        If an opcode claims more than the pickle could hold, or asks for Python's registry.
    ValueError
        If the bytes are no pickle.
    """
    start = stream.tell()
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name in MEMO_OPCODES and isinstance(argument, int) and argument > count:
            raise ModelError("the checkpoint's pickle is inconsistent", "a whole checkpoint")
        if opcode.name in REGISTRY_OPCODES:
            raise ModelError("the checkpoint asks for registered code", "only tensors")
    end = stream.tell()
    return io.BytesIO(stream.getbuffer()[start:end])


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that finds only names of its own."""

    def __init__(
        self, stream: BinaryIO, storage: Callable[[StorageType, str, int], Storage]
    ) -> None:
        # Python 2 wrote the oldest checkpoints; latin1 is the encoding that never fails.
        super().__init__(stream, encoding="latin1")
        self._storage = storage

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return what stands for a name in the pickle; nothing is imported.

        Raises
        ------
        ModelError
            If the name is from Python's standard library and not of a plain container.
        """
        if module_name in ("builtins", "__builtin__") and global_name in PLAIN_BUILTINS:
            return PLAIN_BUILTINS[global_name]
        if (module_name, global_name) in PLAIN:
            return PLAIN[module_name, global_name]
        if module_name in ("torch", "torch.storage", "torch.cuda") and (
            global_name in STORAGE_TYPES
        ):
            return StorageType(STORAGE_TYPES[global_name])
        if module_name in ("torch._utils", "torch._tensor"):
            builders = {
                "_rebuild_tensor": self._tensor,
                "_rebuild_tensor_v2": self._tensor,
                "_rebuild_parameter": self._parameter,
                "_rebuild_parameter_with_state": self._parameter,
                "_rebuild_from_type_v2": self._subclass,
            }
            if global_name in builders:
                return builders[global_name]
        if (module_name, global_name) == ("_codecs", "encode"):
            return self._encoded
        top = module_name.partition(".")[0]
        if top in STANDARD_LIBRARY:
            raise ModelError(
                f"the checkpoint asks for {module_name}.{global_name}",
                "only tensors, plain containers and network classes",
                "do not open this file with other software; save the state_dict alone",
            )
        return type("Inert", (AttributeBag,), {})

    def persistent_load(self, identity: Any) -> Any:
        """Return the storage, or the class, that a checkpoint refers to.

        Raises
        ------
        ModelError
            If it refers to anything else.
        """
        if isinstance(identity, tuple) and identity:
            if identity[0] == "module" and len(identity) == 4:
                return identity[1]
            if identity[0] == "storage" and len(identity) in (5, 6):
                _, kind, key, _, count = identity[:5]
                whole = len(identity) == 5 or identity[5] is None
                if (
                    isinstance(kind, StorageType)
                    and isinstance(key, str)
                    and isinstance(count, int)
                    and count >= 0
                    and whole
                ):
                    return self._storage(kind, key, count)
        raise ModelError("the checkpoint refers to something that is no storage", "tensors")

    @staticmethod
    def _tensor(storage: object, offset: Any, shape: Any, strides: Any, *rest: object) -> Tensor:
        if not isinstance(storage, Storage):
            raise ModelError("a tensor has no storage", "a whole checkpoint")
        return Tensor(storage, offset, tuple(shape), tuple(strides))

    @staticmethod
    def _encoded(text: object, *rest: object) -> bytes:
        # How protocol 2 writes bytes.
        return text.encode("latin1") if isinstance(text, str) else b""

    @staticmethod
    def _parameter(data: object, *rest: object) -> object:
        return data

    @staticmethod
    def _subclass(build: Any, kind: object, arguments: Any, *rest: object) -> object:
        # `build` came out of find_class, so it is one of the harmless callables above.
        return build(*arguments)
