"""The table of scores."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from pneumoscore.cli.table import TableRow, print_table
from pneumoscore.radiograph.types import Placement
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score


def make_score(flags: tuple[str, ...] = ()) -> Score:
    scales = (
        ScaleScore(GEOGRAPHIC_EXTENT, 5.25, 5.25, 3.5, 7.0, 0.9, 3.0, 2.25, 2.0),
        ScaleScore(OPACITY, 1.5, 1.5, 0.25, 2.75, 0.9, 0.5, 1.0, 1.0),
    )
    model = ModelIdentity("tiny", "1", "net 1", "ab" * 32)
    return Score(scales, flags, model, Placement(1.0, 0.0, 0.0, (64, 64), 64), {})


def printed(rows: list[TableRow], width: int = 140, **options: object) -> str:
    stream = io.StringIO()
    print_table(rows, Console(file=stream, width=width, highlight=False, **options))
    return stream.getvalue()


def test_a_row_holds_values_intervals_lungs_flags_model_and_notice() -> None:
    text = printed([TableRow("film.dcm", make_score(), ("lungs_cut_off",))])
    (line,) = (line for line in text.splitlines() if "film.dcm" in line)
    for part in ("5.2", "(3.5-7.0)", "3.0+2.2", "1.5", "(0.2-2.8)", "0.5+1.0"):
        assert part in line
    assert "lungs cut off" in line
    for part in ("extent 0-8", "0-6", "90 % interval"):
        assert part in text
    assert "Model tiny 1 (abababababab), backbone net 1" in text
    assert RESEARCH_NOTICE in text


def test_a_film_without_a_score_shows_why() -> None:
    rows = [TableRow("a.png", make_score()), TableRow("b.png", None, ("lateral",))]
    text = printed([*rows, TableRow("c.png", None)])
    lines = {line.split()[0]: line for line in text.splitlines() if ".png" in line}
    assert "no score" in lines["b.png"]
    assert "lateral" in lines["b.png"]
    assert "failed" in lines["c.png"]


def test_a_table_of_failures_alone_can_be_drawn() -> None:
    assert "c.png" in printed([TableRow("c.png", None)])


def test_a_head_without_interval_and_sides_shows_its_value_alone() -> None:
    whole = make_score()
    bare = replace(whole.scales[0], low=None, high=None, right=None, left=None)
    text = printed([TableRow("film.png", replace(whole, scales=(bare,)))])
    (line,) = (line for line in text.splitlines() if "film.png" in line)
    assert line.split() == ["film.png", "5.2"]


@pytest.mark.parametrize("name", ["[red]x[/red].png", "[/nothing].png", "[link=file:///etc]a"])
def test_names_are_never_markup(name: str) -> None:
    assert name in printed([TableRow(name, make_score())])


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = printed([TableRow("a\nb\x1b[31m\u202e.png", make_score())], force_terminal=True)
    assert "a\\nb\\x1b[31m\\u202e.png" in text


def test_a_narrow_terminal_loses_no_number() -> None:
    text = printed([TableRow("a-rather-long-file-name-of-a-film.dcm", make_score())], width=80)
    for part in ("5.2 (3.5-7.0)", "3.0+2.2", "1.5 (0.2-2.8)", "0.5+1.0"):
        assert part in text
    assert max(len(line) for line in text.splitlines()) <= 80
