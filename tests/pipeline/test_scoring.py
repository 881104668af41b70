import hashlib
import json
import os
import threading
from datetime import datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from pneumoscore.errors import ModelError, OutputError, PneumoScoreError
from pneumoscore.pipeline.engines.processes import Processes
from pneumoscore.pipeline.engines.threads import InProcess, Threads
from pneumoscore.pipeline.job import run_job, score_files
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.outputs import Outputs
from pneumoscore.pipeline.run import Run
from pneumoscore.pipeline.sinks.published import published
from pneumoscore.pipeline.sinks.tables import CsvTable, JsonLines, csv_columns, json_line
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


@pytest.fixture(scope="module")
def run(model):
    return Run.of(model, ScoringOptions())


ENGINES = [InProcess(), Threads(1), Threads(8), Processes(2)]


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_order_is_kept_and_bad_files_stop_nothing(films, model, engine, batch):
    results = list(score_files(films, model, ScoringOptions(batch=batch), engine=engine))
    assert [result.path for result in results] == films
    assert [result.score is None for result in results] == [i in (3, 6) for i in range(10)]
    assert results[6].flags == ("too_few_pixels",)
    assert "too few pixels" in results[6].error
    assert all(result.view is None for result in results)
    assert [str(results[i].reason) for i in (3, 6)] == ["unreadable", "refused"]


def test_a_file_scores_as_it_does_alone(films, model):
    from pneumoscore.radiograph.read import read_radiograph

    results = list(score_files(films[:3], model))
    for path, result in zip(films[:3], results, strict=True):
        alone = model.score(read_radiograph(path))
        for one, other in zip(result.score.scales, alone.scales, strict=True):
            assert one.raw == pytest.approx(other.raw, abs=1e-5)


def test_every_line_is_valid_under_the_published_schema(films, model, run, tmp_path):
    files = [*(Found(path) for path in films), *expand([tmp_path / "missing.dcm"])]
    lines = [json_line(result, run) for result in score_files(files, model)]
    for line in lines:
        assert "\n" not in line
        VALIDATOR.validate(json.loads(line))
    errors = [json.loads(line) for line in lines if "error" in json.loads(line)]
    assert len(errors) == 3
    assert all("scores" not in error for error in errors)


def test_the_schema_refuses_what_is_no_result(films, model, run):
    VALIDATOR.check_schema(SCHEMA)
    good = json.loads(json_line(next(score_files(films, model)), run))
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
    plain = SeverityModel.open(folder, threads=1)
    result = next(score_files(films, plain))
    line = json.loads(json_line(result, Run.of(plain, ScoringOptions())))
    assert line["scores"]["opacity"]["low"] is None
    VALIDATOR.validate(line)


def test_a_file_that_vanishes_while_others_are_read_is_one_error(films, model):
    seen = []
    for result in score_files(
        films[:3] + films[4:6], model, ScoringOptions(batch=1), engine=InProcess()
    ):
        seen.append(result.score is None)
        if len(seen) == 1:
            films[5].unlink()
        last = result
    assert seen == [False, False, False, False, True]
    assert last.reason == "missing"


def test_hostile_names_give_valid_lines(model, films, tmp_path):
    names = ["new\nline.png", "quote\"'<b>.png", "ünïcode 胸.png", os.fsdecode(b"bad\xff.png")]
    paths = []
    for name in names:
        path = tmp_path / name
        path.write_bytes(films[0].read_bytes())
        paths.append(path)
    sink = JsonLines(tmp_path / "out.jsonl")
    report = run_job(map(Found, paths), model, ScoringOptions(), [sink])
    assert report.scored == len(paths)
    lines = (tmp_path / "out.jsonl").read_bytes().decode("ascii").splitlines()
    found = [Path(json.loads(line)["file"]).name for line in lines]
    assert found == ["new\nline.png", "quote\"'<b>.png", "ünïcode 胸.png", "bad\\xff.png"]


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_a_run_over_no_file_ends(model, engine):
    report = run_job(iter(()), model, ScoringOptions(), [], engine=engine)
    counts = report.as_dict()["counts"]
    assert set(counts) == {"files", "scored", "failed", "resumed", "resumed_without_score"}
    assert set(counts.values()) == {0}


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_the_report_counts_every_file(films, model, engine):
    counts = []
    report = run_job(
        map(Found, films),
        model,
        ScoringOptions(),
        [],
        engine=engine,
        watch=lambda result, so_far: counts.append(so_far.files),
    )
    assert counts == list(range(1, 11))
    form = report.as_dict()
    counts = {"files": 10, "scored": 8, "failed": 2, "resumed": 0, "resumed_without_score": 0}
    assert form["counts"] == counts
    assert form["failures"] == {"refused": 1, "unreadable": 1}
    assert set(form["seconds"]) == {"read", "network", "outputs", "wall"}
    assert str(films[0].parent) not in json.dumps(form)


def test_reading_stays_a_little_ahead_and_no_further(films, model):
    asked = []

    def endless():
        while True:
            asked.append(films[0])
            yield Found(films[0])

    results = score_files(endless(), model, ScoringOptions(batch=3), engine=Threads(2))
    for _ in range(9):
        next(results)
    results.close()
    assert len(asked) <= 9 + 2 * 3 + 2
    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("pneumoscore-read") for name in names)


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_views_come_only_when_asked_for(films, model, engine):
    options = ScoringOptions(view=True)
    kept = list(score_files(films[:4], model, options, engine=engine))
    assert [result.view is None for result in kept] == [False, False, False, True]
    assert kept[1].view.shape == (231, 238)
    assert kept[1].view.dtype == np.uint8


def test_what_is_known_is_not_scored_again(films, model):
    options = ScoringOptions(content=True, pixels=True)
    first = list(score_files(films[:3], model, options))
    contents = {first[0].content, first[2].content}
    assert len({result.pixels for result in first}) == 3
    results = []
    report = run_job(
        map(Found, films[:3]),
        model,
        options,
        [],
        known=contents.__contains__,
        watch=lambda result, so_far: results.append(result),
    )
    assert [result.known for result in results] == [True, False, True]
    assert [result.score is None for result in results] == [True, False, True]
    assert (report.known, report.scored, report.failed) == (2, 1, 0)


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_a_score_belongs_to_the_content_that_is_told_with_it(films, model, engine):
    film, other = films[0], films[1].read_bytes()
    content = hashlib.sha256(film.read_bytes()).hexdigest()
    (expected,) = score_files([film], model)

    def replaced(asked):
        film.write_bytes(other)
        return False

    results = []
    run_job(
        [Found(film)],
        model,
        ScoringOptions(content=True),
        [],
        engine=engine,
        known=replaced,
        watch=lambda result, so_far: results.append(result),
    )
    assert film.read_bytes() == other
    assert [result.content for result in results] == [content]
    assert results[0].score["opacity"].raw == pytest.approx(expected.score["opacity"].raw)


def test_a_fault_of_our_own_is_named_and_logged(films, model, monkeypatch, caplog):
    from pneumoscore.radiograph import read

    genuine = read.read_radiograph

    def faulty(data, **options):
        if data == films[1].read_bytes():
            raise KeyError("patient name")
        return genuine(data, **options)

    monkeypatch.setattr(read, "read_radiograph", faulty)
    results = list(score_files(films[:3], model, engine=Threads(2)))
    assert [result.score is None for result in results] == [False, True, False]
    assert results[1].error.startswith("internal error (KeyError)")
    assert "patient name" not in results[1].error
    assert "internal error" in caplog.text


def test_a_wrong_call_fails_at_once(films, model):
    with pytest.raises(PneumoScoreError, match="above 0"):
        ScoringOptions(batch=0)
    with pytest.raises(PneumoScoreError, match="between 0 and 1"):
        ScoringOptions(level=90)
    with pytest.raises(ModelError, match="opacity_ralo"):
        score_files(films, model, ScoringOptions(scales=("opacity_ralo",)))


def test_force_scores_what_the_gate_refuses(films, model):
    (result,) = score_files([films[6]], model, ScoringOptions(force=True))
    assert result.score.flags == result.flags == ("too_few_pixels",)


def test_the_table_holds_the_same_numbers(films, model, tmp_path):
    import csv

    path = tmp_path / "out.csv"
    results = []
    run_job(
        map(Found, films),
        model,
        ScoringOptions(),
        [CsvTable(path)],
        watch=lambda result, so_far: results.append(result),
    )
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == csv_columns((GEOGRAPHIC_EXTENT, OPACITY))
    assert len(rows) == 10
    for row, result in zip(rows, results, strict=True):
        assert row["file"] == str(result.path)
        assert "not for medical use" in row["notice"]
        if result.score is None:
            assert row["error"] == result.error
            assert row["reason"] == result.reason
            assert row["opacity"] == ""
        else:
            data = result.score.as_dict()["scores"]["opacity"]
            assert row["opacity_scale"] == "0 to 6"
            for part in ("low", "high", "left", "right", "raw"):
                assert float(row[f"opacity_{part}"]) == data[part]
            assert float(row["opacity"]) == data["value"]
        assert row["sha256"] == model.identity.sha256
    assert rows[6]["flags"] == "too_few_pixels"


def test_identifiers_are_told_or_left_out(tmp_path, model):
    from pneumoscore.phantom import (
        LungDisease,
        PhantomSpec,
        SyntheticPatient,
        render_phantom,
        write_phantom_dicom,
    )

    healthy = LungDisease(0.0, 0.0)
    film = tmp_path / "=film.dcm"
    phantom = render_phantom(PhantomSpec(healthy, healthy, size=256))
    write_phantom_dicom(phantom, film, SyntheticPatient(), datetime(2026, 1, 2, 3, 4))
    said = {}
    for told in (True, False):
        csv, lines = tmp_path / f"{told}.csv", tmp_path / f"{told}.jsonl"
        outputs = Outputs(identifiers=told)
        sinks = [CsvTable(csv, outputs), JsonLines(lines, outputs)]
        run_job([Found(film)], model, ScoringOptions(force=True), sinks)
        VALIDATOR.validate(json.loads(lines.read_text()))
        said[told] = json.loads(lines.read_text())["film"], csv.read_text(), csv.stat().st_mode
    film_said, table, mode = said[True]
    assert film_said["patient_id"].startswith("PHANTOM-")
    assert film_said["acquired_at"] == "2026-01-02T03:04:00"
    assert film_said["sop_instance_uid"] in table
    assert mode & 0o777 == 0o600
    assert "'" + str(film)[:1] not in table
    film_said, table, mode = said[False]
    assert film_said == {"view": "PA"}
    assert "PHANTOM-" not in table
    assert "2026" not in table


def test_cells_that_a_spreadsheet_would_run_are_neutralised(films, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("=1+1.png").write_bytes(films[0].read_bytes())
    run_job([Found(Path("=1+1.png"))], model, ScoringOptions(), [CsvTable(Path("out.csv"))])
    assert Path("out.csv").read_text().splitlines()[1].startswith("'=1+1.png,")


def test_a_table_that_is_not_finished_leaves_the_old_one(tmp_path, films, model):
    path = tmp_path / "out.csv"
    path.write_text("file,")

    def interrupt(result, report):
        raise KeyboardInterrupt

    outputs = Outputs(overwrite=True)
    sinks = [CsvTable(path, outputs), JsonLines(tmp_path / "new.jsonl", outputs)]
    with pytest.raises(KeyboardInterrupt):
        run_job(map(Found, films), model, ScoringOptions(), sinks, watch=interrupt)
    assert path.read_text() == "file,"
    assert not (tmp_path / "new.jsonl").exists()
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_an_output_that_must_not_be_replaced_stops_the_run_before_the_first_film(
    tmp_path, films, model
):
    asked = []

    def found():
        asked.append(1)
        yield Found(films[0])

    with pytest.raises(OutputError, match="--overwrite"):
        run_job(found(), model, ScoringOptions(), [CsvTable(films[3])])
    assert asked == []
    assert films[3].read_text() == "no image"


@pytest.mark.shared_data
def test_real_films_of_a_folder_are_scored(shared_data, model, run):
    files = list(expand([shared_data / "cohen94"]))[:12]
    results = list(score_files(files, model))
    assert [result.error for result in results] == [None] * 12
    for result in results:
        VALIDATOR.validate(published(result, run))
