from __future__ import annotations

import hashlib
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pneumoscore.errors import NotScorableError, OutputError
from pneumoscore.files import (
    FileIdentity,
    identity_of,
    sha256_of,
    sync_folder,
    write,
    write_atomically,
    written,
    written_atomically,
)
from pneumoscore.marks import program_mark


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


OWN = b'{"program": "PneumoScore/0.0.1 (table)"}'


def test_what_somebody_else_wrote_is_kept_unless_the_user_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_bytes(b"mine\nPneumoScore 0.1.0 was tried\n")
    with pytest.raises(OutputError, match="--overwrite"):
        write(path, b"scores")
    assert path.read_bytes().startswith(b"mine")
    write(path, b"scores", overwrite=True)
    assert path.read_bytes() == b"scores"


@pytest.mark.parametrize(
    "content", [b"", OWN, b"x" * 100_000 + OWN, b"file,score\nold,1\n"], ids=len
)
def test_an_earlier_output_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scores"
    path.write_bytes(content)
    write(path, b"new", header=b"file,score\n")
    assert path.read_bytes() == b"new"


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(OWN)
    (tmp_path / "link").symlink_to("film.png")
    for name in ("film.png", "link"):
        with pytest.raises(OutputError, match="reads"):
            write(tmp_path / name, b"new", inputs=[film], overwrite=True)
    other = tmp_path / "other.png"
    other.write_bytes(b"a film")
    with pytest.raises(OutputError, match="reads"):
        write(other, b"new", inputs=[tmp_path], overwrite=True)
    assert film.read_bytes() == OWN
    assert other.read_bytes() == b"a film"


def test_a_film_that_is_found_on_the_way_is_never_replaced(tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(OWN)
    with pytest.raises(OutputError, match="reads"):
        write(film, b"new", read={identity_of(film)}, overwrite=True)
    found: set[FileIdentity] = set()

    def found_late() -> None:
        with written(film, read=found, overwrite=True) as stream:
            stream.write(b"new")
            found.add(identity_of(film))

    with pytest.raises(OutputError, match="reads"):
        found_late()
    assert film.read_bytes() == OWN
    assert list(tmp_path.iterdir()) == [film]


def test_a_phantom_is_a_film_to_all_but_phantoms(tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(program_mark("phantom").encode())
    with pytest.raises(OutputError, match="no earlier output"):
        write(film, b"new")
    write(film, b"another", kind="phantom")
    assert film.read_bytes() == b"another"


def test_a_link_is_followed(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = tmp_path / "scores.csv"
    link.symlink_to(folder / "scores.csv")
    for data in (OWN, OWN + b"2"):  # first a dangling link
        write(link, data)
        assert link.is_symlink()
        assert (folder / "scores.csv").read_bytes() == data


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, b"abc")
        assert os.read(reader, 10) == b"abc"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_descriptor_is_written_into(name: str, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from pneumoscore.files import write\n"
        "print('first', flush=True); write(Path(sys.argv[1]), b'second\\n'); print('third')"
    )
    target = tmp_path / "out.txt"
    target.write_bytes(b"before\n")
    with target.open("ab") as stream:
        subprocess.run([sys.executable, "-c", program, name], stdout=stream, check=True)
    assert target.read_text() == "before\nfirst\nsecond\nthird\n"
    assert stat.S_ISLNK(os.lstat("/dev/stdout").st_mode)


def test_modes_follow_the_umask_and_an_old_mode_stays(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", OWN)
        write(tmp_path / "b", OWN, private=True)
    finally:
        os.umask(before)
    (tmp_path / "c").write_bytes(OWN)
    (tmp_path / "c").chmod(0o660)
    write(tmp_path / "c", OWN)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "abc"]
    assert modes == [0o640, 0o600, 0o660]


def test_errors_survive_the_way_between_processes() -> None:
    refused = NotScorableError(("lateral",), "a lateral film", "a frontal one")
    again = pickle.loads(pickle.dumps(refused))
    assert (again.flags, str(again)) == (refused.flags, str(refused))
    kept = pickle.loads(pickle.dumps(OutputError("a", "b", "c")))
    assert (str(kept), kept.remedy) == ("a; expected b; c", "c")


def test_the_names_in_a_folder_are_put_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    sync_folder(tmp_path)
    assert synced == [tmp_path.stat().st_ino]
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")
