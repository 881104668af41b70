from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pneumoscore.files import sha256_of, write_atomically, written_atomically


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    write_atomically(path, b"old")

    def interrupted() -> None:
        with written_atomically(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"abc")
    assert sha256_of(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_folder_is_made_unless_it_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with pytest.raises(FileNotFoundError), written_atomically(path, make_folder=False):
        pass
    assert not path.parent.exists()
    write_atomically(path, b"abc")
    assert path.read_bytes() == b"abc"


def test_a_name_may_be_as_long_as_the_folder_allows(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125)
    write_atomically(path, b"abc")
    assert path.read_bytes() == b"abc"
