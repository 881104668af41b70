"""Text from outside must not steer a terminal."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.present.text import printable


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


@given(st.binary(min_size=1))
def test_any_file_name_can_be_written_as_utf8(name: bytes) -> None:
    printable(os.fsdecode(name)).encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P"])))
def test_letters_of_every_script_stay(text: str) -> None:
    assert printable(text) == text


def test_direction_marks_and_terminal_codes_are_escaped() -> None:
    assert printable("a\u202egnp.exe") == "a\\u202egnp.exe"
    assert printable("\x1b[2J\x9b31m") == "\\x1b[2J\\x9b31m"
