from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pneumoscore.backbone.files import sha256_of, write_atomically, written_atomically


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
