"""Findings measured within one source at a time, on films of patients kept aside."""

import io
import json
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pneumoscore.backbone.session import Backbone
from pneumoscore.errors import ModelError
from training.films import CorpusRow, read_corpus_index
from training.finding_auc import (
    SOURCES,
    as_json,
    finding_table,
    kept_films,
    measure_backbone,
    source_findings,
)
from training.finding_targets import kept_for_validation

TEN = 10


def _row(source: str, patient: str, findings: str = "No Finding", file: str = "") -> CorpusRow:
    return CorpusRow(source, file or f"{patient}.png", frozenset({findings}), patient, "PA")


def _patients(prefix: str, kept: bool, count: int) -> list[str]:
    found = (f"{prefix}{number}" for number in range(10_000))
    chosen = (name for name in found if kept_for_validation(_row("nih", name)) == kept)
    return [next(chosen) for _ in range(count)]


def test_areas_are_those_counted_by_hand() -> None:
    targets = np.repeat([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], TEN, axis=0).astype(np.float32)
    logits = np.zeros((2 * TEN, 3), dtype=np.float32)
    logits[:TEN] = [3.0, -3.0, 1.0]
    # Third finding: half the others lie below, half tie: 1/2 + 1/2 x 1/2.
    logits[TEN + 5 :, 2] = 1.0
    measured = source_findings(
        "nih", ("high", "low", "tied"), logits, targets, [str(n) for n in range(2 * TEN)], 50
    )
    values = [row.auc.value for row in measured.rows if row.auc is not None]
    assert values == [1.0, 0.0, 0.75]
    assert measured.mean is not None
    assert measured.mean.value == pytest.approx(1.75 / 3)
    tied = measured.rows[2].auc
    assert tied is not None
    assert 0.5 < tied.low < 0.75 < tied.high < 1.0


def test_films_that_the_source_says_nothing_of_are_left_out() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(60, 1)).astype(np.float32)
    targets = (generator.random((60, 1)) < 0.5).astype(np.float32)
    patients = [str(number) for number in range(60)]
    alone = source_findings("nih", ("Mass",), logits, targets, patients, 20)
    unknown_logits = np.concatenate([logits, np.full((15, 1), 99, dtype=np.float32)])
    unknown = np.concatenate([targets, np.full((15, 1), np.nan, dtype=np.float32)])
    both = source_findings(
        "nih", ("Mass",), unknown_logits, unknown, [*patients, *"abcdefghijklmno"], 20
    )
    assert both.rows[0].films == 60
    assert both.rows[0].positives == int(targets.sum())
    assert both.films == 75
    assert alone.rows[0].auc is not None
    assert both.rows[0].auc is not None
    assert both.rows[0].auc.value == alone.rows[0].auc.value


def test_rare_findings_are_counted_and_not_measured(tiny_folder: Path) -> None:
    targets = np.zeros((40, 3), dtype=np.float32)
    targets[: TEN - 1, 0] = 1
    targets[:TEN, 1] = 1
    targets[:, 2] = np.nan
    logits = targets.copy()
    measured = source_findings(
        "nih", ("rare", "frequent", "unknown"), logits, targets, [str(n) for n in range(40)], 20
    )
    rare, frequent = measured.rows
    assert (rare.finding, rare.films, rare.positives, rare.auc) == ("rare", 40, 9, None)
    assert frequent.auc is not None
    assert measured.mean is not None
    assert measured.mean.value == frequent.auc.value == 1.0
    backbone = Backbone.open(tiny_folder / "backbone.json", threads=1)
    shown = finding_table(backbone.record, measured).rows
    assert shown[0] == ("rare", "40", "9", "-")
    assert shown[1] == ("frequent", "40", "10", "1.00 [1.00, 1.00]")
    assert shown[2][0] == "mean of 1"
    listed = as_json(backbone.record, [measured])["sources"][0]["findings"]
    assert listed[0] == {"finding": "rare", "films": 40, "positives": 9, "auc": None}


def test_films_of_one_patient_are_drawn_together() -> None:
    generator = np.random.default_rng(1)
    targets = np.repeat([[1.0], [0.0]], 30, axis=0).astype(np.float32)
    logits = (targets + generator.normal(size=targets.shape)).astype(np.float32)
    patients = [f"{number:02}" for number in range(60)]
    once = source_findings("nih", ("Mass",), logits, targets, patients, 200).rows[0].auc
    twice = source_findings(
        "nih", ("Mass",), np.tile(logits, (2, 1)), np.tile(targets, (2, 1)), patients * 2, 200
    )
    assert twice.patients == 60
    assert twice.rows[0].films == 120
    assert once is not None
    # As many films again of the same patients say nothing new.
    assert twice.rows[0].auc == once


def test_kept_films_are_of_one_source_and_of_no_patient_trained_on() -> None:
    kept, seen = _patients("nih-", True, 2), _patients("nih-", False, 2)
    child = next(
        number
        for number in range(10_000)
        if kept_for_validation(_row("pediatric", f"ped-IM-{number:04}-0001"))
        and not kept_for_validation(_row("pediatric", f"ped-IM-{number:04}-0001-0002"))
    )
    alone = _patients("ped-person", True, 1)[0]
    rows = [
        *(_row("nih", patient) for patient in kept + seen),
        _row("pediatric", f"ped-IM-{child:04}-0001"),
        _row("pediatric", f"ped-IM-{child:04}-0001-0002"),
        _row("pediatric", alone),
    ]
    assert [row.patient for row in kept_films(rows, "nih")] == kept
    assert [row.patient for row in kept_films(rows, "pediatric")] == [alone]


def _corpus(folder: Path, count: int, brightness: dict[str, float]) -> Path:
    """Write a corpus of made films: `count` with and without pneumonia in each source."""
    (folder / "corpus").mkdir(parents=True)
    lines = ["archive,file,labels,patient,view"]
    for number, (source, level) in enumerate(brightness.items()):
        generator = np.random.default_rng(number)
        with zipfile.ZipFile(folder / "corpus" / f"{source}.zip", "w") as files:
            for index, patient in enumerate(_patients(f"{source}-", True, 2 * count)):
                pixels = np.clip(generator.normal(level, 30, (80, 64)), 0, 255).astype(np.uint8)
                stream = io.BytesIO()
                Image.fromarray(pixels).save(stream, "PNG")
                files.writestr(f"{patient}.png", stream.getvalue())
                label = "Pneumonia" if index % 2 else "No Finding"
                lines.append(f"{source},{patient}.png,{label},{patient},PA")
    (folder / "corpus" / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_source_is_measured_without_the_films_of_another(
    tiny_folder: Path, tmp_path: Path
) -> None:
    backbone = Backbone.open(tiny_folder / "backbone.json", threads=1)
    like = _corpus(tmp_path / "like", 12, {"nih": 120, "pediatric": 120, "rsna_normal": 120})
    other = _corpus(tmp_path / "other", 12, {"nih": 120, "pediatric": 30, "rsna_normal": 220})
    first, second = (measure_backbone(backbone, data, repeats=20) for data in (like, other))
    assert [source.source for source in first] == list(SOURCES)
    assert [source.films for source in first] == [24, 24]
    assert first[0] == second[0]
    assert first[1].mean != second[1].mean
    pneumonia = {row.finding: row for row in first[0].rows}["Pneumonia"]
    assert (pneumonia.films, pneumonia.positives) == (24, 12)


def test_a_backbone_without_these_findings_is_refused(
    tiny_model: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_model, "FINDINGS", ("a", "b", "c", "d", "e"))
    backbone = Backbone.open(tiny_model.write_backbone(tmp_path / "plain"), threads=1)
    with pytest.raises(ModelError, match="none of the corpus's findings"):
        measure_backbone(backbone, tmp_path)


def test_the_command_prints_the_same_as_a_table_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.commands import main

    data = _corpus(tmp_path, 2, {"nih": 120, "pediatric": 90})
    command = ["findings", "generic", "--data", str(data), "--threads", "1"]
    assert main(command) == 0
    table = capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [source["source"] for source in listed["sources"]] == list(SOURCES)
    lines = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    for source in listed["sources"]:
        assert f"within {source['source']}: 4 films of 4 patients" in table
        for row in source["findings"]:
            assert ["", row["finding"], str(row["films"]), str(row["positives"]), "-", ""] in lines
    assert "Research use only" in table


@pytest.mark.shared_data
def test_the_shipped_network_is_measured_on_films_kept_aside(shared_data: Path) -> None:
    index = read_corpus_index(shared_data / "corpus" / "index.csv")
    trained = {row.patient for row in index if not kept_for_validation(row)}
    for source in SOURCES:
        assert not trained & {row.patient for row in kept_films(index, source)}
    measured = measure_backbone(Backbone.open("generic", threads=1), shared_data, 5, 20)
    assert [(source.source, source.films) for source in measured] == [("nih", 5), ("pediatric", 5)]
    stated = {source.source: {row.finding for row in source.rows} for source in measured}
    assert stated["pediatric"] == {"Lung Opacity", "Pneumonia", "bacterial", "viral"}
    assert {"Mass", "Effusion"} <= stated["nih"]
    assert not {"bacterial", "viral"} & stated["nih"]
