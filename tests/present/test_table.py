"""One table in every form."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoscore.present.table import Table, csv_line
from pneumoscore.present.text import shortened

TABLE = Table("Films", ("film", "error"), (("a.png", "-0.50"), ("a|b\nc.png", "1.25")), "A note.")


def test_markdown_keeps_bars_and_line_ends_inside_their_cells() -> None:
    lines = TABLE.markdown().splitlines()
    assert lines[0] == "### Films"
    assert lines[2:6] == [
        "| film       | error |",
        "|------------|-------|",
        "| a.png      | -0.50 |",
        "| a\\|b c.png | 1.25  |",
    ]
    assert lines[-1] == "A note."


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|x", "\t=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line([cell])))
    assert row == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["-0.5", "+1", "-", "-0.12 [-0.30, 0.04]", "-1e-05", "a=b"])
def test_numbers_and_words_stay_as_they_are(cell: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line([cell])))
    assert row == [cell]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=5),
       st.integers(20, 100))  # fmt: skip
def test_lines_fit_whatever_the_cells(rows: list[tuple[str, str]], width: int) -> None:
    lines = Table("", ("film", "reason"), tuple(rows)).lines(width)
    assert len(lines) >= 2 + len(rows)
    assert all(len(line) <= width and line.isprintable() for line in lines)


def test_names_are_cut_text_is_wrapped_and_numbers_stay_whole() -> None:
    row = ("archive/ward-7/film-0001.dcm", "0.91 [0.80, 1.02]", "lungs cut off, outside training")
    lines = Table("", ("film", "MAE", "flags"), (row,)).lines(50)
    assert lines[2].split("  ")[0] == "archive/…0001.dcm"
    assert "0.91 [0.80, 1.02]" in lines[2]
    assert " ".join(line[38:].strip() for line in lines[2:]).split() == row[2].split()


@given(st.text(max_size=40), st.integers(1, 50))
def test_a_shortened_text_keeps_both_ends(text: str, width: int) -> None:
    short = shortened(text, width)
    assert len(short) == min(len(text), width)
    if len(text) > width > 2:
        head, tail = short.split("…", 1) if text.count("…") == 0 else (short[0], short[-1])
        assert text.startswith(head)
        assert text.endswith(tail)


def test_the_name_of_a_patient_is_broken_and_never_cut() -> None:
    name = "MRN-0012345678901234567890"
    rows = ((name, "worsening, to be confirmed", "6.9"),)
    lines = Table("", ("patient", "advice", "score"), rows, whole_names=True).lines(36)
    assert "".join(line.split("  ")[0] for line in lines[2:]) == name
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", 'a"b', "a,b", " a", "ü\u2028", "a\r\n"])
def test_any_cell_is_read_as_it_was_written(cell: str) -> None:
    line = csv_line([cell, "next"])
    assert line.endswith(",next\n")
    assert list(csv.reader(io.StringIO(line, newline=""))) == [[cell, "next"]]
