import json
import os
import threading
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from pneumoscore.errors import ModelError, PneumoScoreError
from pneumoscore.pipeline.job import score_files
from pneumoscore.pipeline.sinks import csv_columns, csv_file, json_line, json_lines_file
from pneumoscore.pipeline.walk import Found, expand
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.scale import GEOGRAPHIC_EXTENT, OPACITY

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "score.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


@pytest.fixture
def films(tiny_model, tmp_path):
    """Ten films of different sizes; the fourth is no image, the seventh too small."""
    paths = []
    for seed in range(10):
        path = tmp_path / f"film{seed}.png"
        side = 40 if seed == 6 else 200 + 31 * seed
        pixels = tiny_model.film(seed, side, side + 7).pixels
        Image.fromarray((pixels * 255).round().astype(np.uint8)).save(path)
        paths.append(path)
    paths[3].write_text("no image")
    return paths


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (3, 4), (8, 16)])
def test_order_is_kept_and_bad_files_stop_nothing(films, model, workers, batch):
    results = list(score_files(films, model, workers=workers, batch=batch))
    assert [result.path for result in results] == films
    assert [result.score is None for result in results] == [i in (3, 6) for i in range(10)]
    assert results[6].flags == ("too_few_pixels",)
    assert "too few pixels" in results[6].error
    assert all(result.radiograph is None for result in results)


def test_a_file_scores_as_it_does_alone(films, model):
    from pneumoscore.radiograph.read import read_radiograph

    results = list(score_files(films[:3], model))
    for path, result in zip(films[:3], results, strict=True):
        alone = model.score(read_radiograph(path))
        for one, other in zip(result.score.scales, alone.scales, strict=True):
            assert one.raw == pytest.approx(other.raw, abs=1e-5)


def test_every_line_is_valid_under_the_published_schema(films, model, tmp_path):
    files = [*(Found(path) for path in films), *expand([tmp_path / "missing.dcm"])]
    lines = [json_line(result) for result in score_files(files, model)]
    for line in lines:
        assert "\n" not in line
        VALIDATOR.validate(json.loads(line))
    errors = [json.loads(line) for line in lines if "error" in json.loads(line)]
    assert len(errors) == 3
    assert all("scores" not in error for error in errors)


def test_the_schema_refuses_what_is_no_result(films, model):
    VALIDATOR.check_schema(SCHEMA)
    good = json.loads(json_line(next(score_files(films, model))))
    entry = good["scores"]["opacity"]
    for bad in (
        good | {"notice": "certified"},
        good | {"error": "and scores"},
        good | {"flags": ["sideways"]},
        good | {"scores": {}},
        good | {"scores": {"severity": entry}},
        good | {"scores": {"opacity": entry | {"value": 7.0}}},
        good | {"scores": {"opacity": entry | {"scale": [0, 8]}}},
        good | {"scores": {"opacity": {k: v for k, v in entry.items() if k != "scale"}}},
        {k: v for k, v in good.items() if k != "model"},
        {"file": "a", "flags": []},
    ):
        assert not VALIDATOR.is_valid(bad)


def test_a_score_without_interval_and_sides_is_valid(tmp_path, tiny_model, films):
    folder = tiny_model.write_model(tmp_path / "plain")
    data = json.loads((folder / "model.json").read_text())
    for head in data["heads"]:
        head["interval"] = None
    (folder / "model.json").write_text(json.dumps(data))
    result = next(score_files(films, SeverityModel.open(folder, threads=1)))
    line = json.loads(json_line(result))
    assert line["scores"]["opacity"]["low"] is None
    VALIDATOR.validate(line)


def test_a_file_that_vanishes_while_others_are_read_is_one_error(films, model):
    seen = []
    for result in score_files(films[:3] + films[4:6], model, workers=1, batch=1):
        seen.append(result.score is None)
        if len(seen) == 1:
            films[5].unlink()
    assert seen == [False, False, False, False, True]


def test_hostile_names_give_valid_lines(model, films, tmp_path):
    names = ["new\nline.png", "quote\"'<b>.png", "ünïcode 胸.png", os.fsdecode(b"bad\xff.png")]
    paths = []
    for name in names:
        path = tmp_path / name
        path.write_bytes(films[0].read_bytes())
        paths.append(path)
    with json_lines_file(tmp_path / "out.jsonl") as sink:
        for result in score_files(paths, model):
            assert result.score is not None
            sink.add(result)
    lines = (tmp_path / "out.jsonl").read_bytes().decode("ascii").splitlines()
    found = [Path(json.loads(line)["file"]).name for line in lines]
    assert found == ["new\nline.png", "quote\"'<b>.png", "ünïcode 胸.png", "bad\\xff.png"]


def test_progress_counts_every_file(films, model):
    counts = []
    list(score_files(films, model, on_progress=counts.append))
    assert counts == list(range(1, 11))


def test_reading_stays_a_little_ahead_and_no_further(films, model):
    asked = []

    def endless():
        while True:
            asked.append(films[0])
            yield films[0]

    results = score_files(endless(), model, workers=2, batch=3)
    for _ in range(9):
        next(results)
    results.close()
    assert len(asked) <= 9 + 2 * 3 + 2
    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("pneumoscore-read") for name in names)


def test_films_are_kept_only_when_asked_for(films, model):
    kept = list(score_files(films[:4], model, keep_radiographs=True))
    assert [result.radiograph is None for result in kept] == [False, False, False, True]
    assert kept[1].radiograph.rows == 231


def test_a_fault_of_our_own_is_named_and_logged(films, model, monkeypatch, caplog):
    from pneumoscore.radiograph import read

    genuine = read.read_radiograph

    def faulty(path, **options):
        if path == films[1]:
            raise KeyError("patient name")
        return genuine(path, **options)

    monkeypatch.setattr(read, "read_radiograph", faulty)
    results = list(score_files(films[:3], model))
    assert [result.score is None for result in results] == [False, True, False]
    assert results[1].error.startswith("internal error (KeyError)")
    assert "patient name" not in results[1].error
    assert "internal error" in caplog.text


def test_a_wrong_call_fails_at_once(films, model):
    with pytest.raises(ValueError, match="at least 1"):
        score_files(films, model, batch=0)
    with pytest.raises(PneumoScoreError, match="between 0 and 1"):
        list(score_files(films, model, level=90))
    with pytest.raises(ModelError, match="opacity_ralo"):
        list(score_files(films, model, scales=["opacity_ralo"]))


def test_force_scores_what_the_gate_refuses(films, model):
    (result,) = score_files([films[6]], model, force=True)
    assert result.score.flags == result.flags == ("too_few_pixels",)


def test_the_table_holds_the_same_numbers(films, model, tmp_path):
    import csv

    scales = (GEOGRAPHIC_EXTENT, OPACITY)
    path = tmp_path / "out.csv"
    results = list(score_files(films, model))
    with csv_file(path, scales) as sink:
        for result in results:
            sink.add(result)
        assert not path.exists()
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == csv_columns(scales)
    assert len(rows) == 10
    for row, result in zip(rows, results, strict=True):
        assert row["file"] == str(result.path)
        assert "not for medical use" in row["notice"]
        if result.score is None:
            assert row["error"] == result.error
            assert row["opacity"] == ""
        else:
            data = result.as_dict()["scores"]["opacity"]
            assert row["opacity_scale"] == "0 to 6"
            for part in ("low", "high", "left", "right", "raw"):
                assert float(row[f"opacity_{part}"]) == data[part]
            assert float(row["opacity"]) == data["value"]
            assert row["sha256"] == model.identity.sha256
    assert rows[6]["flags"] == "too_few_pixels"


def test_a_table_that_is_not_finished_leaves_the_old_one(tmp_path, films, model):
    path = tmp_path / "out.csv"
    path.write_text("old")

    def interrupted():
        with csv_file(path, (OPACITY,)) as sink:
            sink.add(next(score_files(films, model)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


@pytest.mark.shared_data
def test_real_films_of_a_folder_are_scored(shared_data, model):
    files = list(expand([shared_data / "cohen94"]))[:12]
    results = list(score_files(files, model))
    assert [result.error for result in results] == [None] * 12
    for result in results:
        VALIDATOR.validate(result.as_dict())
