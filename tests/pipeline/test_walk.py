import io
import os
import socket
from collections import Counter
from pathlib import Path

import pytest

from pneumoscore.errors import SettingsError
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.walk import Found, expand


def touch(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


DICOM = bytes(128) + b"DICM" + bytes(8)


def test_a_folder_gives_its_images_sorted_to_the_bottom(tmp_path):
    expected = [
        touch(tmp_path / "B.PNG"),
        touch(tmp_path / "a.dcm"),
        touch(tmp_path / "no-suffix", DICOM),
        touch(tmp_path / "scan.1.2.840.3", DICOM),
        touch(tmp_path / "deep" / "er" / "c.jpeg"),
        touch(tmp_path / "z" / "d.tif"),
    ]
    for name in ("notes.txt", "table.csv", "empty", ".hidden.png", ".git/x.png", "sub/.x/y.png"):
        touch(tmp_path / name)
    touch(tmp_path / "DICOMDIR", DICOM)
    assert list(expand([tmp_path])) == [Found(path) for path in expected]


def test_a_named_file_is_always_tried(tmp_path):
    text = touch(tmp_path / ".notes.txt")
    assert list(expand([str(text)])) == [Found(text, named=True)]


def test_order_and_repetition_are_the_users(tmp_path):
    a, b = touch(tmp_path / "a.png"), touch(tmp_path / "b.png")
    assert [found.path for found in expand([b, a, b])] == [b, a, b]


def test_loops_of_links_end_and_each_folder_is_walked_once(tmp_path):
    film = touch(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "self").symlink_to(".")
    (tmp_path / "same").symlink_to("real")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "circle").symlink_to("circle")
    found = list(expand([tmp_path]))
    assert [item.path for item in found if item.problem is None] == [film]
    assert [item.path.name for item in found if item.problem is not None] == [
        "circle",
        "dangling.png",
    ]


def test_what_is_missing_or_no_file_is_said_and_stops_nothing(tmp_path):
    film = touch(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        found = list(expand([tmp_path / "gone.png", tmp_path / "pipe.png", "nul\0byte", film]))
    assert [item.problem is None for item in found] == [False, False, False, True]
    assert "no such file" in found[0].problem
    assert "not a regular file" in found[1].problem
    # Inside a folder they are not even mentioned: nothing there may block the walk.
    assert [item.path for item in expand([tmp_path])] == [film]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    film = touch(tmp_path / "a.png")
    touch(tmp_path / "closed" / "b.png")
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    found = list(expand([tmp_path]))
    assert [item.path for item in found] == [film, tmp_path / "closed"]
    assert "read permission" in found[1].problem


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_list_names_files_and_folders(tmp_path, end):
    strange = touch(tmp_path / os.fsdecode(b"odd \xff name.png"))
    inside = touch(tmp_path / "folder" / "b.png")
    lines = [os.fsencode(strange), b"", os.fsencode(inside.parent)]
    found = list(expand(["-"], list_file=io.BytesIO(end.join(lines) + end)))
    assert found == [Found(strange), Found(inside)]


def test_nul_ended_names_may_hold_line_ends(tmp_path):
    strange = touch(tmp_path / "two\nlines.png")
    data = os.fsencode(strange) + b"\0"
    assert list(expand(["-"], list_file=io.BytesIO(data))) == [Found(strange)]


def test_a_very_deep_tree_is_walked(tmp_path, monkeypatch):
    here = tmp_path
    for _ in range(400):
        here = here / "d"
    here.mkdir(parents=True)
    film = touch(here / "a.png")
    assert list(expand([tmp_path])) == [Found(film)]


@pytest.mark.parametrize(
    ("codec", "mark"),
    [("utf-8-sig", b""), ("utf-16", b""), ("utf-16-le", b""), ("utf-16-be", b"")],
)
def test_lists_of_other_codes_name_the_same_files(tmp_path, codec, mark):
    films = [touch(tmp_path / "a.png"), touch(tmp_path / "b.png")]
    text = "".join(f"{film}\r\n" for film in films)
    found = list(expand(["-"], list_file=io.BytesIO(mark + text.encode(codec))))
    assert found == [Found(film) for film in films]


def test_a_list_of_damaged_utf16_is_refused():
    with pytest.raises(SettingsError, match="damaged UTF-16"):
        list(expand(["-"], list_file=io.BytesIO(b"\xff\xfea")))


def test_a_name_of_half_a_letter_survives():
    listed = "\ufefffilm\ud800.png\n".encode("utf-16-le", "surrogatepass")
    (item,) = expand(["-"], list_file=io.BytesIO(listed))
    assert str(item.reason) == "missing"
    assert FileResult(item.path).file.encode("utf-8").endswith(b".png")


def test_what_is_passed_over_is_counted(tmp_path):
    film = touch(tmp_path / "a.png")
    bare = bytes.fromhex("08000500") + b"CS" + b"\x0a\x00" + b"ISO_IR 100" + bytes(100)
    no_preamble = touch(tmp_path / "b", bare)
    touch(tmp_path / "overlay.png", b"\x89PNG\r\n PneumoScore/9.9 (picture)")
    drawn = touch(tmp_path / "phantom.png", b"\x89PNG\r\n PneumoScore/9.9 (phantom)")
    touch(tmp_path / "page.html", b"<html> PneumoScore/9.9 (page)")
    for name in (".hidden", "DICOMDIR", "notes.txt"):
        touch(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    skipped = Counter()
    assert list(expand([tmp_path], skipped=skipped)) == [
        Found(film), Found(no_preamble), Found(drawn)
    ]  # fmt: skip
    assert skipped == {
        "made by this program": 2,
        "hidden": 1,
        "DICOMDIR": 1,
        "no image": 1,
        "no regular file": 1,
    }


def test_what_may_not_be_read_is_named_whatever_its_name(tmp_path, monkeypatch):
    touch(tmp_path / "IM1")
    genuine = Path.open

    def refusing(self, *arguments, **options):
        if self.name == "IM1":
            raise PermissionError(13, "Permission denied")
        return genuine(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refusing)
    (found,) = expand([tmp_path])
    assert (found.path.name, found.reason) == ("IM1", "unreadable")
