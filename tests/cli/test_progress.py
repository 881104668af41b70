"""The progress bar appears late, and only where someone watches."""

from __future__ import annotations

import pytest

from pneumoscore.cli.progress import LateProgress


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
