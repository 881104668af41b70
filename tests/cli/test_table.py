"""The table of scores in a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pneumoscore.cli.table import TableRow, print_table, table_lines
from pneumoscore.radiograph.prepare import prepare
from pneumoscore.radiograph.types import InputSpec, Radiograph
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY
from pneumoscore.severity.score import RESEARCH_NOTICE, ModelIdentity, ScaleScore, Score


def make_score(flags: tuple[str, ...] = ()) -> Score:
    scales = (
        ScaleScore(GEOGRAPHIC_EXTENT, 5.25, 5.25, 3.5, 7.0, 0.9, 3.0, 2.25, 2.0),
        ScaleScore(OPACITY, 1.5, 1.5, 0.25, 2.75, 0.9, 0.5, 1.0, 1.0),
    )
    film = Radiograph([[0.0, 1.0], [1.0, 0.0]])
    placement = prepare(film, InputSpec(8, "pad", "unit")).placement
    return Score(scales, flags, ModelIdentity("tiny", "1", "net 1", "ab" * 32), placement, {})


def printed(rows: list[TableRow], width: int = 140) -> str:
    return "\n".join(table_lines(rows, width))


def test_a_row_holds_values_intervals_lungs_flags_model_and_notice() -> None:
    text = printed([TableRow("film.dcm", make_score(), ("lungs_cut_off",))])
    (line,) = (line for line in text.splitlines() if "film.dcm" in line)
    for part in ("5.2 (3.5-7.0)", "3.0+2.2", "1.5 (0.2-2.8)", "0.5+1.0", "lungs cut off"):
        assert part in line
    for part in ("extent 0-8", "0-6", "90 % interval"):
        assert part in text
    assert "Model tiny 1, backbone net 1, abababababab" in text
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


def test_control_characters_and_colours_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table([TableRow("a\nb\x1b[31m\u202e.png", make_score())])
    text = capsys.readouterr().out
    assert "a\\nb\\x1b[31m\\u202e.png" in text
    assert "\x1b" not in text


def test_at_80_columns_a_film_is_one_line_with_both_ends_of_its_name() -> None:
    name = "archive/2026/ward-7/a-rather-long-name/film-0001.dcm"
    rows = [TableRow(name, make_score()), TableRow("b.png", None, ("not_a_chest_radiograph",))]
    lines = printed(rows, 80).splitlines()
    assert max(map(len, lines)) <= 80
    (line,) = (line for line in lines if "…" in line)
    assert line.startswith("archive/")
    assert line.split()[0].endswith("0001.dcm")
    for part in ("5.2 (3.5-7.0)", "3.0+2.2", "1.5 (0.2-2.8)", "0.5+1.0"):
        assert part in line
    words = " ".join(" ".join(lines).split())
    for word in ("not", "chest", "radiograph"):
        assert word in words


def test_a_pipe_is_as_wide_as_the_environment_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = TableRow("f" * 200, make_score())
    for columns, width in (("90", 90), ("", 120), ("wide", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        print_table([row])
        assert max(map(len, capsys.readouterr().out.splitlines())) == width
