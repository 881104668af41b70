"""Checkpoints are read without torch and without running what they hold."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import time
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pneumoscore.convert.checkpoint import read_state_dict
from pneumoscore.convert.unpickling import Storage, StorageType, Tensor
from pneumoscore.errors import ModelError

FORMATS = [True, False]


def save(content: object, path: Path, as_zip: bool) -> Path:
    with warnings.catch_warnings():
        # That torch cannot add the source code of the classes.
        warnings.simplefilter("ignore")
        torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    return path


@pytest.mark.parametrize("as_zip", FORMATS)
def test_tensors_of_every_kind(tmp_path: Path, as_zip: bool) -> None:
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "float": base,
        "turned": base.T,
        "part": base[1:3, 2:5],
        "double": base.double() / 7,
        "half": base.half() / 7,
        "bfloat16": base.bfloat16() / 7,
        "long": torch.tensor([1, -2, 2**40]),
        "bool": torch.tensor([True, False]),
        "number": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(base * 2),
    }
    found = read_state_dict(save(tensors, tmp_path / "x.pt", as_zip))
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        expected = tensor.detach()
        expected = expected.float() if expected.dtype == torch.bfloat16 else expected
        np.testing.assert_array_equal(found[name], expected.numpy(), err_msg=name)
        assert found[name].shape == tuple(tensor.shape)


@pytest.mark.parametrize("as_zip", FORMATS)
@pytest.mark.parametrize("wrap", ["state", "inside", "module", "module inside"])
def test_every_way_of_saving_gives_the_state_dict(
    tmp_path: Path,
    as_zip: bool,
    wrap: str,
    densenet: nn.Module,
    as_torchxrayvision: Callable[[nn.Module], None],
) -> None:
    as_torchxrayvision(densenet)
    content = {
        "state": densenet.state_dict(),
        "inside": {"epoch": 3, "state_dict": densenet.state_dict(), "best": 0.8},
        "module": densenet,
        "module inside": {"model": densenet, "optimiser": {"lr": 1e-3}},
    }[wrap]
    found = read_state_dict(save(content, tmp_path / "x.pt", as_zip))
    expected = densenet.state_dict()
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value.numpy(), err_msg=name)


def test_a_whole_module_is_read_where_its_classes_and_torch_are_absent(
    tmp_path: Path, densenet: nn.Module, as_torchxrayvision: Callable[[nn.Module], None]
) -> None:
    as_torchxrayvision(densenet)
    path = save(densenet, tmp_path / "x.pt", as_zip=False)
    program = (
        "import sys\n"
        "from pneumoscore.convert.checkpoint import read_state_dict\n"
        f"state = read_state_dict({str(path)!r})\n"
        "print(len(state), [n for n in ('torch', 'torchxrayvision') if n in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split(maxsplit=1) == [str(len(densenet.state_dict())), "[]\n"]


class Attack:
    """A pickle that would make a file if it were executed."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("as_zip", FORMATS)
@pytest.mark.parametrize("kind", ["system", "exec", "open", "getattr", "subprocess"])
def test_no_code_runs(tmp_path: Path, as_zip: bool, kind: str) -> None:
    import os

    mark = tmp_path / "executed"
    attack = {
        "system": Attack(os.system, f"touch {mark}"),
        "exec": Attack(exec, f"open({str(mark)!r}, 'w')"),
        "open": Attack(open, str(mark), "w"),
        "getattr": Attack(getattr, "", "join"),
        "subprocess": Attack(subprocess.call, ["touch", str(mark)]),
    }[kind]
    path = save({"weight": torch.zeros(2), "extra": attack}, tmp_path / "x.pt", as_zip)
    with pytest.raises(ModelError, match="asks for"):
        read_state_dict(path)
    assert not mark.exists()


def test_functions_of_libraries_are_not_called_either(tmp_path: Path) -> None:
    mark = tmp_path / "executed.npy"
    content = {"weight": torch.ones(2), "extra": Attack(np.save, str(mark), [1])}
    found = read_state_dict(save(content, tmp_path / "x.pt", as_zip=True))
    assert list(found) == ["weight"]
    assert not mark.exists()


def numpy_state() -> dict[str, object]:
    return {"weight": torch.ones(3), "labels": np.array([1.5, 2.5]), "kind": np.float32(2)}


@pytest.mark.parametrize("as_zip", FORMATS)
def test_arrays_beside_the_tensors_do_no_harm(tmp_path: Path, as_zip: bool) -> None:
    found = read_state_dict(save(numpy_state(), tmp_path / "x.pt", as_zip))
    assert list(found) == ["weight"]


def archive(path: Path, pickled: bytes, storages: dict[str, bytes], compression: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", compression) as target:
        target.writestr("archive/data.pkl", pickled)
        for key, data in storages.items():
            target.writestr(f"archive/data/{key}", data)
    return path


class Reference:
    """A tensor whose description the test chooses."""

    def __init__(self, count: int, offset: int, shape: object, strides: object) -> None:
        self.count, self.rest = count, (offset, shape, strides)

    def pickled(self) -> bytes:
        # The stand-in for the storage is found by identity.
        storage = object()

        class Rebuilt:
            def __reduce__(inner) -> tuple[object, tuple[object, ...]]:  # noqa: N805
                rebuild = torch._utils._rebuild_tensor_v2
                return rebuild, (storage, *self.rest, False, OrderedDict())

        import io

        stream = io.BytesIO()
        count = self.count

        class Pickler(pickle.Pickler):
            def persistent_id(self, value: object) -> object:
                if value is storage:
                    return ("storage", torch.FloatStorage, "0", "cpu", count)
                return None

        Pickler(stream, protocol=2).dump({"weight": Rebuilt()})
        return stream.getvalue()


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (5,), (1,)),
        (4, (1,), (1,)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2,), (4,)),
        (0, (1 << 40,), (0,)),
        (0, (2, 2), (1,)),
        (0, ("2",), (1,)),
        (0, (1 << 62, 1 << 62), (1, 1)),
    ],
)
def test_a_tensor_sees_only_its_own_storage(
    tmp_path: Path, offset: int, shape: object, strides: object
) -> None:
    pickled = Reference(4, offset, shape, strides).pickled()
    path = archive(tmp_path / "x.pt", pickled, {"0": bytes(16)})
    with pytest.raises(ModelError, match=r"x\.pt"):
        read_state_dict(path)


def altered(pickled: bytes, before: bytes, state: bytes) -> bytes:
    """Return a pickle with BUILD after the opcodes that make an object."""
    start, end = pickled.index(before), pickled.index(before) + len(before)
    return pickled[:start] + before + state + b"b" + pickled[end:]


FAR = b"}(X\x05\x00\x00\x00shape(J\x00\x00\x00\x40tX\x07\x00\x00\x00strides(K\x01tu"


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ("tensor", FAR),
        ("tensor", b"N" + FAR + b"\x86"),  # the other form of a state, for slots
        ("storage", b"}(X\x05\x00\x00\x00countJ\x00\x00\x00\x40u"),
        ("storage", b"N}(X\x05\x00\x00\x00countJ\x00\x00\x00\x40u\x86"),
        ("kind", b"(X\x03\x00\x00\x00<f8l"),
        ("kind", b"}(X\x04\x00\x00\x00kindX\x03\x00\x00\x00<f8u"),
    ],
)
def test_a_tensor_is_not_altered_once_it_is_described(
    tmp_path: Path, made: str, state: bytes
) -> None:
    kind = b"ctorch\nFloatStorage\n"
    storage = b"(X\x07\x00\x00\x00storage" + kind + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00(K\x04t(K\x01t\x89}tR"
    pickled = b"\x80\x02}(X\x06\x00\x00\x00weight" + tensor + b"u."
    data = {"0": struct.pack("<4f", 1, 2, 3, 4)}
    whole = archive(tmp_path / "whole.pt", pickled, data)
    np.testing.assert_array_equal(read_state_dict(whole)["weight"], [1, 2, 3, 4])
    before = {"tensor": tensor, "storage": storage, "kind": kind}[made]
    path = archive(tmp_path / "x.pt", altered(pickled, before, state), data)
    with pytest.raises(ModelError, match="alters"):
        read_state_dict(path)


@pytest.mark.parametrize("opcodes", [b"K\x00K\x01s", b"K\x01a", b"(K\x01e", b"(K\x00K\x01u"])
@pytest.mark.parametrize("made", ["tensor", "storage"])
def test_a_tensor_takes_no_items(tmp_path: Path, made: str, opcodes: bytes) -> None:
    pickled = Reference(4, 0, (4,), (1,)).pickled()
    end = pickled.index(b"Q") + 1 if made == "storage" else len(pickled) - 2
    path = archive(tmp_path / "x.pt", pickled[:end] + opcodes + pickled[end:], {"0": bytes(16)})
    with pytest.raises(ModelError, match=r"x\.pt"):
        read_state_dict(path)


def test_numbers_that_went_away_are_not_read() -> None:
    storage = Storage(StorageType("<f4"), 4)
    tensor = Tensor(storage, 0, (4,), (1,))
    storage.values, storage.count = np.zeros(2, np.float32), 2
    with pytest.raises(ModelError, match="beyond its storage"):
        tensor.array()


def test_a_right_description_is_read(tmp_path: Path) -> None:
    data = struct.pack("<4f", 1, 2, 3, 4)
    path = archive(tmp_path / "x.pt", Reference(4, 1, (1, 3), (3, 1)).pickled(), {"0": data})
    np.testing.assert_array_equal(read_state_dict(path)["weight"], [[2, 3, 4]])


def test_short_and_compressed_storages_are_refused(tmp_path: Path) -> None:
    pickled = Reference(4, 0, (4,), (1,)).pickled()
    with pytest.raises(ModelError, match="missing"):
        read_state_dict(archive(tmp_path / "short.pt", pickled, {"0": bytes(12)}))
    compressed = archive(
        tmp_path / "compressed.pt", pickled, {"0": bytes(16)}, zipfile.ZIP_DEFLATED
    )
    with pytest.raises(ModelError, match="compressed"):
        read_state_dict(compressed)


def test_modules_nested_without_end_are_refused(tmp_path: Path) -> None:
    network = nn.Sequential()
    network.add_module("again", nn.Identity())
    network._modules["again"] = network
    with pytest.raises(ModelError, match="without end"):
        read_state_dict(save(network, tmp_path / "x.pt", as_zip=True))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"<html>404</html>", b"\x80\x02K\x01."])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"x\.pt"):
        read_state_dict(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_state_dict(tmp_path / "absent.pt")


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # a list, to be remembered at position 2**31 - 1
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",  # a bytearray of a terabyte
        b"\x80\x02\x82\x01.",  # whatever Python's registry holds at 1
    ],
)
def test_claims_are_read_before_they_are_believed(tmp_path: Path, pickled: bytes) -> None:
    path = archive(tmp_path / "x.pt", pickled, {})
    began = time.perf_counter()
    with pytest.raises(ModelError, match=r"x\.pt"):
        read_state_dict(path)
    assert time.perf_counter() - began < 1.0


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("valid")
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    return [save(network, folder / f"{z}.pt", z).read_bytes() for z in FORMATS]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_give_tensors_or_a_model_error(
    valid_files: list[bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from(valid_files)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) * 2 // 3]))]
    path = tmp_path_factory.getbasetemp() / "mutant.pt"
    path.write_bytes(bytes(content))
    try:
        state = read_state_dict(path)
    except ModelError:
        return
    assert all(isinstance(value, np.ndarray) for value in state.values())
