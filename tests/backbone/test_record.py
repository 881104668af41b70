from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pneumoscore.backbone.record import BackboneRecord, load_record, save_record
from pneumoscore.errors import ModelError
from pneumoscore.forms import from_form, to_form
from pneumoscore.radiograph.types import InputSpec

RECORD = BackboneRecord(
    name="a-network",
    version="1",
    file="a-network.onnx",
    sha256="0" * 64,
    input=InputSpec(224, "crop", "signed_1024"),
    findings=("Lung Opacity", "Épanchement"),
    feature_width=1024,
    map_size=7,
    training_data="none",
    licence="none",
)


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a-network.json"
    save_record(RECORD, path)
    assert load_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]


@given(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
    st.sampled_from(["name", "input", "findings", "details", "sha256", "map_size", "file"]),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()),
)
def test_any_other_form_is_a_model_error(
    more: dict[str, object], field: str, value: object
) -> None:
    try:
        record = from_form(BackboneRecord, {**to_form(RECORD), field: value, **more}, "a record")
    except ModelError:
        return
    assert from_form(BackboneRecord, to_form(record), "a record") == record


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../a.onnx"),
        ("file", "/etc/a.onnx"),
        ("file", "a.bin"),
        ("name", "../a"),
        ("name", ".a"),
        ("sha256", "F" * 64),
        ("findings", ["a", "a"]),
        ("map_size", True),
        ("feature_width", 0),
        ("input", {"size": 224, "squaring": "stretch", "pixel_range": "unit"}),
        ("input", {"size": 224, "squaring": "pad"}),
        ("forward_bytes", -1),
        ("has_lungs", "yes"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ModelError) as caught:
        from_form(BackboneRecord, {**to_form(RECORD), field: value}, "a record")
    assert (
        field in str(caught.value)
        or "squaring" in str(caught.value)
        or "pixel_range" in str(caught.value)
    )


def test_unknown_and_missing_fields_are_named() -> None:
    form = to_form(RECORD)
    with pytest.raises(ModelError, match="unknown field colour"):
        from_form(BackboneRecord, {**form, "colour": 1}, "a record")
    form.pop("sha256")
    with pytest.raises(ModelError, match="lacks sha256"):
        from_form(BackboneRecord, form, "a record")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\x00", "[" * 100_000])
def test_a_file_that_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"x\.json"):
        load_record(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        load_record(tmp_path / "x.json")
    with pytest.raises(ModelError, match="cannot be read"):
        load_record(tmp_path)


def test_details_must_be_json(tmp_path: Path) -> None:
    record = replace(RECORD, details={"auc": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        save_record(record, tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []
    save_record(RECORD, tmp_path / "y.json")
    assert json.loads((tmp_path / "y.json").read_text())["input"]["size"] == 224
