"""The progress bar appears late, and only where someone watches."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from pneumoscore.cli import main
from pneumoscore.cli.progress import Counted, LateProgress


def test_a_short_job_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with LateProgress("scoring", patience=60.0, terminal=True) as progress:
        progress.update(1, 2)
        assert not progress.shown
    assert capsys.readouterr() == ("", "")


def test_a_long_job_shows_a_bar_on_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    with LateProgress("scoring", patience=0.0, terminal=True) as progress:
        progress.update(1, None)
        progress.update(2, 3)
        assert progress.shown
    assert capsys.readouterr().out == ""


def test_nobody_watching_means_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with LateProgress("scoring", patience=0.0, terminal=False) as progress:
        progress.update(1, 3)
        assert not progress.shown
    assert capsys.readouterr() == ("", "")


def test_films_are_counted_beside_the_job() -> None:
    with Counted(iter(range(3))) as count:
        while count.total is None:
            pass
        assert count.total == 3
    with Counted(None) as count:
        assert count.total is None


def test_a_job_that_ends_first_waits_for_no_count() -> None:
    with Counted(itertools.count()) as count:
        pass
    assert count.total is None


def test_an_archive_says_how_much_is_left(
    tmp_path: Path,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for number in range(3):
        (films / f"{number}.png").write_text("no image")
    shown = []

    class Bar(LateProgress):
        def __init__(self, title: str) -> None:
            super().__init__(title, patience=0.0, terminal=True)

        def update(self, done: int, total: int | None, note: str = "") -> None:
            shown.append((done, total))
            super().update(done, total, note)

    class Ready(Counted):
        def __enter__(self) -> Counted:
            super().__enter__()
            self._thread.join()
            return self

    monkeypatch.setattr("pneumoscore.cli.archive.LateProgress", Bar)
    monkeypatch.setattr("pneumoscore.cli.archive.Counted", Ready)
    run = ["archive", "run", films, "--out", tmp_path / "out", "--model", tiny_folder]
    assert main([*map(str, run), "--format", "csv"]) == 1
    assert shown == [(1, 3), (2, 3), (3, 3)]
    assert "0 films scored" in capsys.readouterr().out
