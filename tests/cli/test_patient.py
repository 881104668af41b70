"""``pneumoscore patient`` from the first film to the restored backup."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pneumoscore.cli.status import ExitStatus
from pneumoscore.monitor.change.error_model import (
    ErrorModel,
    ScaleError,
    find_error_model,
    write_error_model,
)
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import RESEARCH_NOTICE

PATIENT = SyntheticPatient().patient_id


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three DICOM films of one synthetic patient, and a file that is none."""
    folder = tmp_path / "films"
    folder.mkdir()
    for day, extent in enumerate((0.1, 0.5, 0.9)):
        spec = PhantomSpec(LungDisease(extent, 0.6), LungDisease(extent, 0.6), seed=1, size=128)
        acquired = datetime(2026, 1, 1, 8) + timedelta(days=day)
        write_phantom_dicom(
            render_phantom(spec), folder / f"{day}.dcm", SyntheticPatient(), acquired,
            study_number=day + 1,
        )  # fmt: skip
    return folder


@pytest.fixture
def patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., object]
) -> Callable[..., object]:
    """Runs a patient command on records of its own."""
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PNEUMOSCORE_RECORDS", str(tmp_path / "records.db"))
    return lambda *arguments: run("patient", *arguments)


@pytest.fixture
def recorded(patient: Callable[..., object], films: Path, tiny_folder: Path) -> Callable:
    outcome = patient("import", films, "--model", tiny_folder, "--force", "--as", "tester")
    assert outcome.status == 0, outcome.err
    assert "3 new films of 1 new patients, 6 new scores" in outcome.out
    identity = SeverityModel.open(tiny_folder, threads=1).identity
    flat = ScaleError((0.0, 1.0), (0.01, 0.01))
    write_error_model(
        ErrorModel(identity.name, identity.version, identity.sha256,
                   {"geographic_extent": flat, "opacity": flat})
    )  # fmt: skip
    return patient


def test_import_again_and_with_bad_files(
    recorded: Callable, films: Path, tiny_folder: Path, film: Path
) -> None:
    (films / "bad.dcm").write_bytes(b"nothing")
    (films / "picture.png").write_bytes(film.read_bytes())
    again = recorded("import", films, "--model", tiny_folder, "--force")
    assert again.status == ExitStatus.SOME_FAILED
    assert "0 new films" in again.out
    assert "3 files were recorded already" in again.out
    assert "bad.dcm" in again.err
    assert "no Patient ID" in again.err
    empty = films.parent / "empty"
    empty.mkdir()
    assert recorded("import", empty, "--model", tiny_folder).status == ExitStatus.NOTHING_DONE


def test_timeline_in_every_form(recorded: Callable, tmp_path: Path) -> None:
    recorded("event", PATIENT, "icu_admission", "2026-01-02 10:00", "--detail", "bed 4")
    recorded("note", PATIENT, "coughs")
    for ending in ("png", "svg", "html"):
        out = tmp_path / f"t.{ending}"
        done = recorded("timeline", PATIENT, "-o", out, "--per-lung", "--name", "Bed 4")
        assert done.status == 0, done.err
        assert "3 films, 1 events" in done.out
    with Image.open(tmp_path / "t.png") as image:
        assert np.asarray(image).std() > 10
    page = (tmp_path / "t.html").read_text()
    assert RESEARCH_NOTICE in page
    assert "Bed 4" in page
    assert "coughs" in page
    assert PATIENT not in page
    assert recorded("timeline", PATIENT, "-o", tmp_path / "t.gif").status == ExitStatus.USAGE


def test_changes_in_text_and_json(recorded: Callable) -> None:
    text = recorded("changes", PATIENT)
    assert text.status == 0, text.err
    assert RESEARCH_NOTICE in text.out
    assert "smallest detectable" in text.out
    found = json.loads(recorded("changes", PATIENT, "--json").out)
    assert found["notice"] == RESEARCH_NOTICE
    extent = found["scales"]["geographic_extent"]
    values = [film["value"] for film in extent["films"]]
    differences = [change["difference"] for change in extent["changes"]]
    assert differences == pytest.approx(np.diff(values).tolist())
    assert found["advice"]["word"] in {"worsening", "stable", "improving", "to be confirmed"}
    assert found["advice"]["rules"] == "pneumoscore-levels 2"


def test_without_an_error_model_nothing_is_called(recorded: Callable, tmp_path: Path) -> None:
    (path,) = (tmp_path / "home" / "error-models").iterdir()
    path.unlink()
    outcome = recorded("changes", PATIENT)
    assert outcome.status == ExitStatus.NOTHING_DONE
    assert "has no error model" in outcome.err
    drawn = recorded("timeline", PATIENT, "-o", tmp_path / "t.html")
    assert drawn.status == 0
    assert "Changes were not judged" in (tmp_path / "t.html").read_text()
    assert "not judged" in recorded("ward").out


def test_ward_models_audit_and_check(recorded: Callable, tmp_path: Path) -> None:
    ward = recorded("ward", "-o", tmp_path / "w.html")
    assert PATIENT in ward.out
    assert RESEARCH_NOTICE in ward.out
    assert RESEARCH_NOTICE in (tmp_path / "w.html").read_text()
    assert "0 of 0 patients" in recorded("ward", "--days", "0").out
    (line,) = recorded("ward", "--json").out.splitlines()
    row = json.loads(line)
    assert (row["patient"], row["issuer"], row["films"]) == (PATIENT, "", 3)
    assert row["advice"]["word"] in {"worsening", "stable", "improving", "to be confirmed"}
    assert row["last"]["days_ago"] > 0
    assert recorded("ward", "--scale", "length").status == ExitStatus.NOTHING_DONE
    assert recorded("models").out.startswith("1 tiny 1")
    assert "tester import" in recorded("audit").out
    assert "tester import" in recorded("audit", PATIENT, "--limit", "1").out
    assert "scores      6" in recorded("check").out


def test_corrections(recorded: Callable) -> None:
    studies = [
        item["study"]
        for item in json.loads(recorded("changes", PATIENT, "--json").out)["scales"]["opacity"][
            "films"
        ]
    ]
    assert recorded("split", PATIENT, "other", "--study", studies[2]).status == 0
    assert recorded("redate", studies[2], "2026-02-01").status == 0
    assert "2026-02-01" in recorded("changes", "other").out
    assert recorded("merge", "other", PATIENT).status == 0
    merged = json.loads(recorded("changes", "other", "--json").out)
    assert merged["patient"] == PATIENT
    assert len(merged["scales"]["opacity"]["films"]) == 3
    assert recorded("redate", studies[2], "day 3").status == ExitStatus.NOTHING_DONE
    assert recorded("redate", studies[2], "soon").status == ExitStatus.USAGE
    assert recorded("event", PATIENT, "death", "day 3").status == ExitStatus.USAGE
    assert recorded("event", PATIENT, "lunch", "2026-01-01").status == ExitStatus.NOTHING_DONE
    for action in ("split", "merge", "redate"):
        assert f" {action} " in recorded("audit").out


def test_backup_and_restore(recorded: Callable, tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    assert "3 films, 6 scores" in recorded("backup", file).out
    assert recorded("restore", file).status == ExitStatus.NOTHING_DONE
    assert "3 films" in recorded("restore", file, "--replace").out
    file.write_bytes(b"x" * 5000)
    broken = recorded("restore", file, "--replace")
    assert broken.status == ExitStatus.NOTHING_DONE
    assert broken.err.startswith("error: ")
    assert "Traceback" not in broken.err
    assert "films       3" in recorded("check").out


def test_nothing_recorded_yet(patient: Callable, tmp_path: Path) -> None:
    for command in (("ward",), ("changes", "p"), ("timeline", "p", "-o", tmp_path / "t.png")):
        outcome = patient(*command)
        assert outcome.status == ExitStatus.NOTHING_DONE
        assert "no records at" in outcome.err
        assert not (tmp_path / "records.db").exists()


def test_a_cohort_by_day(
    patient: Callable, tmp_path: Path, tiny_folder: Path, tiny_model: ModuleType
) -> None:
    rows = ["file,patient,offset,view"]
    for day in range(3):
        pixels = (tiny_model.film(day).pixels * 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{day}.png")
        rows.append(f"{day}.png,p1,{day if day else ''},AP")
    table = tmp_path / "cohort.csv"
    table.write_text("\n".join(rows) + "\n")
    outcome = patient("import-cohort", "--cohort", table, "--model", tiny_folder)
    assert outcome.status == ExitStatus.SOME_FAILED
    assert "day is unknown" in outcome.err
    assert "2 new films" in outcome.out
    assert patient("event", "p1", "proning", "day 1.5").status == 0
    assert "day 2" in patient("ward").out
    page = tmp_path / "t.html"
    assert patient("timeline", "p1", "-o", page).status == 0
    assert "day 1.5" in page.read_text()


def test_two_tables_of_one_file_name_are_two_cohorts(
    patient: Callable, tmp_path: Path, tiny_folder: Path, tiny_model: ModuleType
) -> None:
    for number, ward in enumerate(("north", "south")):
        folder = tmp_path / ward
        folder.mkdir()
        pixels = (tiny_model.film(number).pixels * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "1.png")
        (folder / "films.csv").write_text("file,patient,offset,view\n1.png,p1,0,AP\n")
        outcome = patient("import-cohort", "--cohort", folder / "films.csv", "--model", tiny_folder)
        assert outcome.status == 0, outcome.err
        assert "1 new films of 1 new patients" in outcome.out
    # One number stands for two people: which one must be said.
    asked = patient("changes", "p1")
    assert asked.status != 0
    assert "p1^^^" in asked.err


def test_an_error_model_of_ones_own_films(
    patient: Callable, tmp_path: Path, tiny_folder: Path, tiny_model: ModuleType
) -> None:
    rows = ["file,patient,offset,view"]
    for number in range(24):
        pixels = (tiny_model.film(number).pixels * 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,p{number // 2},{number % 2},AP")
    table = tmp_path / "films.csv"
    table.write_text("\n".join(rows) + "\n")
    fitted = patient("fit-error-model", "--cohort", table, "--model", tiny_folder,
                     "--films", "20", "--retakes", "2")  # fmt: skip
    assert fitted.status == 0, fitted.err
    assert "Smallest detectable change of tiny 1" in fitted.out
    assert "12 patients" in fitted.out
    found = find_error_model(SeverityModel.open(tiny_folder, threads=1).identity)
    assert "every patient counted alike" in found.measured
    assert patient("fit-error-model").status == ExitStatus.USAGE
    simulated = patient("simulate", "--model", tiny_folder, "--series", "10")
    assert simulated.status == 0, simulated.err
    assert "ever called changed" in simulated.out
    assert "standard deviation of one film's error" in simulated.out
    assert RESEARCH_NOTICE in simulated.out


def test_an_error_model_of_films_of_one_exposure(
    patient: Callable, films: Path, tiny_folder: Path
) -> None:
    (films / "copy.dcm").write_bytes((films / "0.dcm").read_bytes())
    refused = patient("fit-error-model", films, "--model", tiny_folder)
    assert refused.status == ExitStatus.NOTHING_DONE
    assert "is a further file of one exposure" in refused.err
    assert "3 films and 6 retakes of each" in refused.err


def test_export_and_erase(recorded: Callable, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    assert "3 films" in recorded("export", PATIENT, "-o", file).out
    assert json.loads(file.read_text())["patient"] == PATIENT
    assert recorded("event", PATIENT, "oxygen", "2026-01-02").status == 0
    assert "oxygen" in recorded("events", PATIENT).out
    assert recorded("event-remove", PATIENT, "oxygen", "2026-01-02").status == 0
    assert recorded("events", PATIENT).out == ""
    erased = recorded("erase", PATIENT, "--yes")
    assert erased.status == 0, erased.err
    assert "erased: 3 films, 6 scores" in erased.out
    assert "not reached" in erased.out
    assert recorded("changes", PATIENT).status == ExitStatus.NOTHING_DONE
    assert PATIENT not in recorded("audit").out


def test_films_of_an_older_model_are_said_and_rescored(
    recorded: Callable, films: Path, tmp_path: Path, tiny_model: ModuleType
) -> None:
    newer = tiny_model.write_model(tmp_path / "newer")
    data = json.loads((newer / "model.json").read_text())
    data["version"] = "2"
    data["heads"][0]["intercept"] += 0.1
    (newer / "model.json").write_text(json.dumps(data))
    one = recorded("import", films / "2.dcm", "--model", newer, "--force")
    assert one.status == 0, one.err
    drawn = recorded("timeline", PATIENT, "-o", tmp_path / "t.html")
    assert "2 films were scored only by tiny 1: not comparable" in drawn.err
    again = recorded("rescore", PATIENT, "--model", newer, "--force")
    assert "4 new scores" in again.out
    assert "all films are scored" in recorded("rescore", "--model", newer).out
    assert "not comparable" not in recorded("timeline", PATIENT, "-o", tmp_path / "t.html").err
