"""Dataclasses from JSON and TOML files: what fits is read, what does not is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pneumoscore.errors import ModelError, UnreadableFileError
from pneumoscore.forms import from_form, load_form, read_form, to_form, to_json


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True)
class Part:
    share: float


@dataclass(frozen=True, eq=False)
class Whole:
    name: str
    count: int
    sides: tuple[Side, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    weights: NDArray[np.float64] | None = None
    pair: tuple[int, str] = (0, "")
    kind: Literal["a", "b"] = "a"
    on: bool = False
    rest: Any = None
    place: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count is negative")


GOOD = {
    "name": "x",
    "count": 2,
    "sides": ["left", "right"],
    "parts": {"first": {"share": 1}},
    "weights": [1, 2.5],
    "pair": [3, "c"],
    "kind": "b",
    "on": True,
    "rest": {"deep": [1, None]},
    "place": "a/b",
}


def test_a_form_becomes_its_dataclass_and_back() -> None:
    whole = from_form(Whole, GOOD, "a whole")
    assert whole.sides == (Side.LEFT, Side.RIGHT)
    assert whole.parts == {"first": Part(1.0)}
    assert whole.weights is not None
    assert whole.weights.dtype == np.float64
    assert whole.place == Path("a/b")
    again = from_form(Whole, json.loads(to_json({**to_form(whole), "place": "a/b"})), "a whole")
    assert to_form(again) == to_form(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "2"}, "a whole has the count '2'; expected a whole number"),
        ({"count": True}, "expected a whole number"),
        ({"count": 2.0}, "expected a whole number"),
        ({"count": -1}, "count is negative"),
        ({"name": None}, "expected a text"),
        ({"sides": "left"}, "expected a list"),
        ({"sides": ["up"]}, "expected one of left, right"),
        ({"parts": {"first": {"share": "1"}}}, "a whole's parts first has the share '1'"),
        ({"parts": {"first": {}}}, "a whole's parts first lacks share"),
        ({"parts": [1]}, "expected an object"),
        ({"weights": ["a"]}, "expected a list of numbers"),
        ({"weights": [float("nan")]}, "expected finite numbers"),
        ({"pair": [1]}, "expected a list of 2"),
        ({"kind": "c"}, "expected one of a, b"),
        ({"on": 1}, "expected true or false"),
        ({"colour": 1}, "the unknown field colour"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        from_form(Whole, GOOD | change, "a whole")
    assert message in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_no_other_form_is_more_than_an_error(value: object) -> None:
    for name in GOOD:
        try:
            from_form(Whole, GOOD | {name: value}, "a whole")
        except ModelError:
            continue


def test_json_and_toml_are_told_by_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "part.toml").write_text("share = 0.5\n")
    (tmp_path / "part.json").write_text('\ufeff{"share": 0.5}')
    for name in ("part.toml", "part.json"):
        assert load_form(Part, tmp_path / name, "a part") == Part(0.5)


@pytest.mark.parametrize("text", ["", "{", "3", "[1]", "\x00", "[" * 100_000])
@pytest.mark.parametrize("name", ["part.json", "part.toml"])
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=r"part\.") as caught:
        load_form(Part, tmp_path / name, "a part", error=UnreadableFileError)
    assert "a part" in str(caught.value)


def test_a_missing_and_a_large_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        read_form(tmp_path / "part.json", "a part")
    with pytest.raises(ModelError, match="cannot be read"):
        read_form(tmp_path, "a part")
    (tmp_path / "part.json").write_text(json.dumps({"share": [0] * 1000}))
    with pytest.raises(ModelError, match="larger"):
        read_form(tmp_path / "part.json", "a part", largest=1000)


def test_a_number_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json({"share": float("inf")})
