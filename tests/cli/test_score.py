"""``pneumoscore score``: outputs, exit statuses, and input that cannot be scored."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from PIL import Image

from pneumoscore.severity.score import RESEARCH_NOTICE

SCHEMA = Path(__file__).parents[2] / "docs" / "score.schema.json"
Run = Callable[..., Any]


def json_lines(text: str) -> list[dict[str, Any]]:
    """Parse the standard output of ``--json``: nothing but lines that fit the schema."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        validator.validate(line)
    return lines


def test_a_table_shows_a_film_and_the_notice(run: Run, film: Path, tiny_folder: Path) -> None:
    outcome = run("score", film, "--model", tiny_folder)
    assert outcome.status == 0
    assert outcome.err == ""
    assert "film.png" in outcome.out.replace("\n", "")
    assert RESEARCH_NOTICE in outcome.out
    assert "Model tiny 1" in outcome.out


@pytest.mark.parametrize("readable", [True, False])
def test_a_damaged_network_is_named_and_nothing_is_written(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path, readable: bool
) -> None:
    if not readable:
        film.write_text("no film")
    damaged = Path(shutil.copytree(tiny_folder, tmp_path / "damaged"))
    (network,) = damaged.glob("*.onnx")
    network.write_bytes(network.read_bytes()[:-1])
    outcome = run("score", film, "--csv", tmp_path / "s.csv", "--model", damaged)
    assert outcome.status == 3
    assert outcome.err.startswith("error: ")
    assert "SHA-256" in outcome.err
    assert outcome.out == ""
    assert not (tmp_path / "s.csv").exists()


def test_json_is_one_object_a_line_and_nothing_else(
    run: Run, film: Path, bad_films: dict[str, Path], tiny_folder: Path
) -> None:
    outcome = run("score", "--json", "--model", tiny_folder, bad_films["text.png"], film)
    bad, good = json_lines(outcome.out)
    assert outcome.status == 1
    assert bad["file"] == str(bad_films["text.png"])
    assert "error" in bad
    assert "scores" not in bad
    assert good["file"] == str(film)
    assert set(good["scores"]) == {"geographic_extent", "opacity"}
    assert good["notice"] == RESEARCH_NOTICE


def test_csv_overlay_and_page_are_written_together(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    table, page, maps = tmp_path / "s.csv", tmp_path / "s.html", tmp_path / "new" / "maps"
    outcome = run(
        "score", film, "--csv", table, "--html", page, "--overlay", maps, "--model", tiny_folder
    )
    assert outcome.status == 0
    (row,) = csv.DictReader(io.StringIO(table.read_text()))
    assert row["file"] == str(film)
    low, value, high = (float(row[f"geographic_extent{part}"]) for part in ("_low", "", "_high"))
    assert 0 <= low <= value <= high <= 8
    assert row["notice"] == RESEARCH_NOTICE
    assert RESEARCH_NOTICE in page.read_text()
    with Image.open(maps / "film.png") as picture:
        assert picture.width > 100
    assert [path.name for path in maps.iterdir()] == ["film.png"]


def test_films_of_the_same_name_keep_their_own_overlays(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Film.png").write_bytes(film.read_bytes())
    outcome = run(
        "score", tmp_path / "a", tmp_path / "b", "--overlay", tmp_path / "m", "--model", tiny_folder
    )
    assert outcome.status == 0
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["Film-2.png", "Film.png"]


def test_each_bad_file_gives_one_clear_line_and_stops_nothing(
    run: Run, film: Path, bad_films: dict[str, Path], tiny_folder: Path
) -> None:
    outcome = run("score", "--json", "--model", tiny_folder, *bad_films.values(), film)
    *failed, good = json_lines(outcome.out)
    assert outcome.status == 1
    assert "scores" in good
    assert [line["file"] for line in failed] == [str(path) for path in bad_films.values()]
    for line in failed:
        assert line["error"]
        assert "\n" not in str(line["error"])
        assert "Traceback" not in str(line["error"])
    *errors, summary = outcome.err.splitlines()
    assert len(errors) == len(bad_films)
    assert all(line.startswith("error: ") for line in errors)
    assert summary.startswith(f"{len(bad_films)} of {len(bad_films) + 1} files have no score: ")
    reasons = Counter(line["reason"] for line in failed)
    assert summary.split(": ")[1] == ", ".join(f"{n} {r}" for r, n in reasons.most_common())
    assert reasons["refused"] == 1


def test_a_refused_film_names_its_flag_and_force_overrides(
    run: Run, bad_films: dict[str, Path], tiny_folder: Path
) -> None:
    constant = bad_films["constant.png"]
    outcome = run("score", "--json", constant, "--model", tiny_folder)
    (line,) = json_lines(outcome.out)
    assert outcome.status == 1
    assert "almost_constant" in line["flags"]
    forced = run("score", "--json", "--force", constant, "--model", tiny_folder)
    (line,) = json_lines(forced.out)
    assert forced.status == 0
    assert "almost_constant" in line["flags"]
    assert "scores" in line


@pytest.mark.parametrize(
    "name",
    [
        b"line\nend.png",
        b"\x1b[2Jclear.png",
        b"latin-\xfc\xff.png",
        "胸部-\u202eقلب.png".encode(),
        b"[red]markup[bold].png",
        b"--json.png",
        b"=cmd().png",
    ],
)
def test_hostile_names_are_scored_and_shown_safely(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path, name: bytes
) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    try:
        hostile = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        hostile.write_bytes(film.read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    for text in ("--json", None):
        switch = [] if text is None else [text]
        outcome = run("score", folder, *switch, "--overlay", tmp_path / "m", "--model", tiny_folder)
        assert outcome.status == 0
        assert "\x1b" not in outcome.out
        assert "\u202e" not in outcome.out
    assert json_lines(run("score", "--json", folder, "--model", tiny_folder).out)
    (picture,) = (tmp_path / "m").glob("*.png")
    assert picture.name.isprintable()


def test_a_failing_hostile_name_forges_no_line(run: Run, tmp_path: Path, tiny_folder: Path) -> None:
    outcome = run("score", tmp_path / "x\nerror: all is lost\x1b[31m", "--model", tiny_folder)
    assert outcome.status == 2
    first, summary = outcome.err.splitlines()
    assert "\\nerror: all is lost\\x1b[31m" in first
    assert summary == "1 of 1 files have no score: 1 missing"


def test_an_unreadable_folder_is_named(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    real = os.scandir

    def scandir(path: object) -> object:
        # Permissions do not bind root, so the refusal is made here.
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    outcome = run("score", "--json", closed, film, "--model", tiny_folder)
    refused, scored = json_lines(outcome.out)
    assert outcome.status == 1
    assert refused["file"] == str(closed)
    assert "scores" in scored


def test_a_film_that_vanishes_is_named(
    run: Run, tmp_path: Path, tiny_model: ModuleType, film: Path, tiny_folder: Path
) -> None:
    folder = tmp_path / "changing"
    folder.mkdir()
    (folder / "gone.png").symlink_to(film)
    (folder / "stays.png").write_bytes(film.read_bytes())
    film.unlink()  # the link still shows in the listing
    outcome = run(
        "score", "--json", folder / "gone.png", folder / "stays.png", "--model", tiny_folder
    )
    gone, stays = json_lines(outcome.out)
    assert outcome.status == 2  # the command line names what is not there
    assert gone["reason"] == "missing"
    assert "scores" in stays


@pytest.mark.parametrize("end", [b"\n", b"\0", b"\r\n"])
def test_a_list_of_names_comes_from_the_standard_input(
    run: Run, film: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    listed = os.fsencode(film) + end
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed + listed)))
    outcome = run("score", "-", "--json", "--model", tiny_folder)
    assert outcome.status == 0
    assert [line["file"] for line in json_lines(outcome.out)] == [str(film)] * 2


def test_an_empty_folder_is_nothing_done(run: Run, tmp_path: Path, tiny_folder: Path) -> None:
    (tmp_path / "none").mkdir()
    outcome = run("score", tmp_path / "none", "--model", tiny_folder)
    assert outcome.status == 3
    assert outcome.out == ""
    assert outcome.err.startswith("error: no films in ")
    assert len(outcome.err.splitlines()) == 1


def test_a_missing_model_is_one_line(run: Run, film: Path, tmp_path: Path) -> None:
    outcome = run("score", film, "--model", tmp_path / "none")
    assert outcome.status == 3
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ")
    assert "pneumoscore model list" in line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--level", "1.5"],
        ["--threads", "0"],
        ["--workers", "0"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage_is_status_2(run: Run, film: Path, arguments: list[str]) -> None:
    paths = [film] if arguments else []
    outcome = run("score", *paths, *arguments)
    assert outcome.status == 2
    assert outcome.out == ""


def test_targets_that_cannot_be_written_are_found_before_scoring(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    for option in ("--csv", "--html"):
        for target in (tmp_path, tmp_path / "no" / "file"):
            outcome = run("score", film, option, target, "--model", tiny_folder)
            assert outcome.status == 2
            assert outcome.out == ""
    outcome = run("score", film, "--overlay", film, "--model", tiny_folder)
    assert outcome.status == 3
    assert outcome.err == f"error: {film}: File exists\n"


def test_a_phantom_in_the_folder_of_overlays_is_kept(
    run: Run, tmp_path: Path, tiny_folder: Path
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    film = maps / "a.png"
    assert run("phantom", film, "--size", 128).status == 0
    before = film.read_bytes()
    for source in (film, maps):
        outcome = run("score", source, "--overlay", maps, "--force", "--model", tiny_folder)
        assert outcome.status == 0
        assert film.read_bytes() == before
        assert sorted(path.name for path in maps.iterdir()) == ["a-2.png", "a.png"]


@pytest.mark.parametrize("option", ["--csv", "--html", "--report"])
def test_a_film_of_a_list_is_never_replaced(
    run: Run,
    film: Path,
    tmp_path: Path,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    before = film.read_bytes()
    names = io.BytesIO(os.fsencode(film) + b"\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(names))
    outcome = run("score", "-", option, film, "--overwrite", "--model", tiny_folder)
    assert outcome.status == 2
    assert "reads" in outcome.err
    assert outcome.out == ""
    assert film.read_bytes() == before


def test_a_film_behind_a_link_is_never_replaced(
    run: Run, film: Path, tmp_path: Path, tiny_folder: Path
) -> None:
    before = film.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.png").symlink_to(film)
    outcome = run("score", folder, "--csv", film, "--overwrite", "--model", tiny_folder)
    assert outcome.status == 2
    assert "reads" in outcome.err
    assert film.read_bytes() == before


def test_level_widens_the_interval(run: Run, film: Path, tiny_folder: Path) -> None:
    def width(level: str) -> float:
        outcome = run("score", film, "--json", "--level", level, "--model", tiny_folder)
        (line,) = json_lines(outcome.out)
        extent = line["scores"]["geographic_extent"]
        assert extent["level"] == float(level)
        return extent["high"] - extent["low"]

    assert width("0.5") < width("0.9")


@pytest.mark.shared_data
def test_all_94_originals_are_scored(run: Run, shared_data: Path, tiny_folder: Path) -> None:
    outcome = run("score", "--json", "--force", shared_data / "cohen94", "--model", tiny_folder)
    assert outcome.err == ""
    assert outcome.status == 0
    assert len(json_lines(outcome.out)) == 94
