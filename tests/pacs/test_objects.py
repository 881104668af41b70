"""Objects of films with ordinary and wrong headers, as other people's programs see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pneumoscore.cli import main
from pneumoscore.pacs.errors import HeaderError
from pneumoscore.pacs.objects.build import FilmObject, ObjectOptions
from pneumoscore.pacs.objects.film import (
    FilmOutcome,
    ScoringTerms,
    describe_input,
    score_film,
)
from pneumoscore.pacs.objects.header import film_header, read_header
from pneumoscore.pacs.objects.result import Refusal, objects_uid, report_uids, unusual
from pneumoscore.radiograph.limits import ReadOptions
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.quality import QualityGate
from pneumoscore.severity.score import Score
from tests.fixtures.orthanc import Orthanc
from tests.fixtures.pacs import (
    DECODED,
    KINDS,
    KNOWN_FALSE_ALARM,
    dciodvfy_errors,
    expected_numbers,
    film_bytes,
    put,
    report_numbers,
    validator_errors,
)

ALL = ObjectOptions(segmentation=True, share=0.02)


@pytest.fixture(scope="module")
def outcomes(header_films: dict[str, bytes], model: SeverityModel) -> dict[str, FilmOutcome]:
    return {
        kind: score_film(data, model, ScoringTerms(force=True), ALL)
        for kind, data in header_films.items()
    }


def saved(item: FilmObject, folder: Path) -> Path:
    path = folder / f"{item.kind}.dcm"
    path.write_bytes(item.data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_other_programs_find_no_error(
    outcomes: dict[str, FilmOutcome], kind: str, tmp_path: Path
) -> None:
    made = outcomes[kind].objects
    assert [item.kind for item in made] == ["report", "capture", "segmentation"]
    for item in made:
        path = saved(item, tmp_path)
        assert dciodvfy_errors(path) == []
        if item.kind == "report":
            subprocess.run(["dsrdump", "-q", path], check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["korean", "japanese", "empty", "wrong"])
def test_the_report_follows_its_template(
    outcomes: dict[str, FilmOutcome], kind: str, tmp_path: Path
) -> None:
    errors = validator_errors(saved(outcomes[kind].objects[0], tmp_path))
    assert all(KNOWN_FALSE_ALARM in error for error in errors), errors


@pytest.mark.parametrize("kind", KINDS)
def test_patient_and_study_are_the_films(
    outcomes: dict[str, FilmOutcome], header_films: dict[str, bytes], kind: str
) -> None:
    film = dcmread(BytesIO(header_films[kind]))
    for item in outcomes[kind].objects:
        result = dcmread(BytesIO(item.data))
        assert result.StudyInstanceUID == film.StudyInstanceUID
        assert result.SeriesInstanceUID != film.SeriesInstanceUID
        assert str(result.PatientID) == str(film.get("PatientID", "") or "")
        assert result.get("IssuerOfPatientID") == film.get("IssuerOfPatientID")
        assert "research use only" in result.SeriesDescription
        if kind in DECODED:
            assert str(result.PatientName) == DECODED[kind]
            assert result.IssuerOfPatientID == "HOSPITAL"
    series = [dcmread(BytesIO(item.data)).SeriesInstanceUID for item in outcomes[kind].objects]
    assert len(set(series)) == 3


@pytest.mark.slow
def test_an_archive_sees_no_second_patient_and_no_second_study(
    orthanc: Orthanc, outcomes: dict[str, FilmOutcome], header_films: dict[str, bytes]
) -> None:
    for number, kind in enumerate(KINDS, start=1):
        orthanc.put_film(header_films[kind])
        patients = len(orthanc.get("/patients"))
        for item in outcomes[kind].objects:
            orthanc.put_film(item.data)
        assert len(orthanc.get("/patients")) == patients, kind
        assert len(orthanc.get("/studies")) == number, kind
    assert len(orthanc.get("/series")) == 4 * len(KINDS)


def test_values_that_are_none_of_their_kind_are_left_empty(
    outcomes: dict[str, FilmOutcome],
) -> None:
    result = dcmread(BytesIO(outcomes["wrong"].objects[0].data))
    for keyword in ("PatientSex", "PatientBirthDate", "StudyDate", "StudyTime"):
        assert result[keyword].value in ("", None), keyword
    odd = dcmread(BytesIO(outcomes["odd dates"].objects[0].data))
    for keyword in ("PatientBirthDate", "StudyDate", "StudyTime"):
        assert odd[keyword].value in ("", None), keyword
    assert result.AccessionNumber == "longer than the"  # as the film has it, its padding aside
    assert "PatientAge" not in result


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_read_back_are_the_scores(outcomes: dict[str, FilmOutcome], kind: str) -> None:
    score = outcomes[kind].report.outcome
    assert isinstance(score, Score)
    found = report_numbers(outcomes[kind].objects[0].data)
    for group, expected in zip(found, expected_numbers(score), strict=True):
        assert group == pytest.approx(expected, abs=1e-4)


def test_the_report_is_preliminary_and_names_the_film(outcomes: dict[str, FilmOutcome]) -> None:
    from highdicom.sr import Comprehensive3DSR

    outcome = outcomes["utf8"]
    document = Comprehensive3DSR.from_dataset(dcmread(BytesIO(outcome.objects[0].data)))
    both, right, left = document.content.get_image_measurement_groups()
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert document.CompletionFlag == "COMPLETE"
    sources = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for group in (both, right, left)
        for item in group[0].ContentSequence
        if item.ValueType == "IMAGE"
    }
    assert sources == {outcome.header.sop_instance_uid}


def test_the_report_names_algorithm_weights_and_preparation(
    outcomes: dict[str, FilmOutcome], model: SeverityModel
) -> None:
    data = outcomes["ascii"].objects[0].data
    spec = model.backbone.record.input
    for words in (
        f"model sha256 {model.identity.sha256}",
        f"preparation {describe_input(spec)}",
        "PneumoScore scales and flags",
    ):
        assert words.encode() in data


@pytest.mark.parametrize("report_class", ["comprehensive", "enhanced"])
def test_archives_without_the_newest_class_get_the_same_content(
    header_films: dict[str, bytes], model: SeverityModel, report_class: str, tmp_path: Path
) -> None:
    terms = ScoringTerms(force=True)
    options = ObjectOptions(report_class, capture=False)
    (item,) = score_film(header_films["ascii"], model, terms, options).objects
    assert dciodvfy_errors(saved(item, tmp_path)) == []
    dataset = dcmread(BytesIO(item.data))
    assert dataset.SOPClassUID.name.startswith(report_class.capitalize())
    assert len(dataset.ContentSequence[-1].ContentSequence) == 3


def test_a_refused_film_gets_a_report_that_says_why(
    tiny_model: object, header_films: dict[str, bytes], tmp_path: Path
) -> None:
    gate = QualityGate(smallest_side=1000)
    folder = tiny_model.write_model(tmp_path / "strict", gate=gate)  # type: ignore[attr-defined]
    outcome = score_film(header_films["ascii"], SeverityModel.open(folder), options=ALL)
    assert isinstance(outcome.report.outcome, Refusal)
    (item,) = outcome.objects
    path = saved(item, tmp_path)
    assert dciodvfy_errors(path) == []
    dump = subprocess.run(["dsrdump", path], check=True, capture_output=True, text=True).stdout
    assert "No score: the film was refused" in dump
    assert "Too few pixels" in dump
    assert "Geographic extent" not in dump


def test_the_capture_shows_film_and_map_and_says_what_it_is(
    outcomes: dict[str, FilmOutcome],
) -> None:
    outcome = outcomes["ascii"]
    capture = dcmread(BytesIO(outcome.objects[1].data))
    assert capture.BurnedInAnnotation == "YES"
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == (
        outcome.header.sop_instance_uid
    )
    pixels = capture.pixel_array
    assert pixels.shape[2] == 3
    assert pixels.shape[1] > 1.5 * 320
    grey = np.ptp(pixels.astype(int), axis=2)
    half = pixels.shape[1] // 2
    assert (grey[60:-60, half:] > 40).sum() > 100  # the map is coloured, the bare film is not


def test_the_segmentation_covers_the_films_pixels(outcomes: dict[str, FilmOutcome]) -> None:
    outcome = outcomes["ascii"]
    dataset = dcmread(BytesIO(outcome.objects[2].data))
    assert (dataset.Rows, dataset.Columns) == (outcome.header.rows, outcome.header.columns)
    assert 0 < dataset.pixel_array.sum() < dataset.Rows * dataset.Columns


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("L\\F", ["L", "F"]),
        ("R\\F", ["L", "F"]),
        ("F\\L", ["L", "F"]),
        ("h \\r", ["L", "F"]),
        ("RA\\F", ["LP", "F"]),
        ("P\\F", ["P", "F"]),
        ("", []),
        ("X", []),
    ],
)
def test_capture_and_segmentation_say_how_each_of_them_lies(
    phantom_film: Dataset, model: SeverityModel, stored: str, shown: list[str], tmp_path: Path
) -> None:
    film = deepcopy(phantom_film)
    put(film, "PatientOrientation", stored)
    _, *made = score_film(film_bytes(film), model, ScoringTerms(force=True), ALL).objects
    capture, segmentation = (dcmread(BytesIO(item.data)) for item in made)
    said = [part.strip().upper() for part in stored.split("\\")] if shown else []
    assert list(capture.PatientOrientation or []) == shown
    assert list(segmentation.PatientOrientation or []) == said
    for item in made:
        assert dciodvfy_errors(saved(item, tmp_path)) == []


def test_uids_follow_from_film_model_and_kind(
    header_films: dict[str, bytes], model: SeverityModel, outcomes: dict[str, FilmOutcome]
) -> None:
    again = score_film(header_films["ascii"], model, ScoringTerms(force=True), ALL)
    first = outcomes["ascii"]
    assert [item.sop_instance_uid for item in again.objects] == [
        item.sop_instance_uid for item in first.objects
    ]
    source = first.header.sop_instance_uid
    assert first.objects[0].sop_instance_uid == objects_uid(source, model.identity, "report")
    assert len({item.sop_instance_uid for item in first.objects}) == 3
    assert again.radiograph.digest() == first.pixels_sha256


def test_the_uid_of_a_usual_report_stays(model: SeverityModel) -> None:
    identity = replace(model.identity, sha256="0" * 64)
    fixed = "2.25.299320009526778153008509263888448059502"
    assert objects_uid("1.2.3", identity, "report") == fixed
    usual = ObjectOptions()
    assert (
        unusual(
            level=ScoringTerms().level,
            report_class=usual.report_class,
            scale=usual.scale,
            share=usual.share,
        )
        == ()
    )


@pytest.mark.parametrize(
    ("terms", "options", "others"),
    [
        ({"level": 0.8}, {}, {"report", "capture", "segmentation"}),
        ({"read": ReadOptions(voi=False)}, {}, {"report", "capture", "segmentation"}),
        ({}, {"report_class": "enhanced"}, {"report"}),
        ({}, {"share": 0.03}, {"segmentation"}),
        ({"force": True}, {}, set()),
    ],
)
def test_other_content_has_another_uid(
    header_films: dict[str, bytes],
    model: SeverityModel,
    terms: dict[str, Any],
    options: dict[str, Any],
    others: set[str],
) -> None:
    made = [
        score_film(header_films["ascii"], model, ScoringTerms(**how), replace(ALL, **which))
        for how, which in (({}, {}), (terms, options))
    ]
    usual, changed = ({item.kind: item for item in outcome.objects} for outcome in made)
    differ = {kind for kind in usual if usual[kind].data != changed[kind].data}
    assert others <= differ
    for kind, item in usual.items():
        one, two = dcmread(BytesIO(item.data)), dcmread(BytesIO(changed[kind].data))
        assert (one.SOPInstanceUID != two.SOPInstanceUID) == (kind in others)
        assert (one.SeriesInstanceUID != two.SeriesInstanceUID) == (kind in others)
    source, level = made[1].header.sop_instance_uid, made[1].report.level
    assert level is not None
    assert changed["report"].sop_instance_uid in report_uids(source, model.identity, level)


def test_a_forced_score_and_the_refusal_have_two_uids(
    tiny_model: object, header_films: dict[str, bytes], tmp_path: Path
) -> None:
    gate = QualityGate(smallest_side=1000)
    folder = tiny_model.write_model(tmp_path / "strict", gate=gate)  # type: ignore[attr-defined]
    strict = SeverityModel.open(folder)
    refused, forced = (
        score_film(header_films["ascii"], strict, ScoringTerms(force=force))
        for force in (False, True)
    )
    uids = [it.objects[0].sop_instance_uid for it in (refused, forced)]
    assert uids[0] != uids[1]
    assert set(uids) <= report_uids(forced.header.sop_instance_uid, strict.identity, 0.9)


@pytest.mark.parametrize(
    "change",
    [
        lambda film: film.__delattr__("StudyInstanceUID"),
        lambda film: put(film, "StudyInstanceUID", ""),
        lambda film: put(film, "StudyInstanceUID", "../../etc/passwd"),
        lambda film: put(film, "SeriesInstanceUID", "1.2/../3"),
    ],
)
def test_a_film_that_nothing_can_refer_to_is_an_error(
    phantom_film: Dataset, model: SeverityModel, change: Callable[[Dataset], None]
) -> None:
    film = deepcopy(phantom_film)
    change(film)
    with pytest.raises(HeaderError, match="UID") as caught:
        score_film(film_bytes(film), model)
    assert "passwd" not in str(caught.value)


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "AccessionNumber"])
def test_an_identifier_with_control_characters_is_an_error(
    phantom_film: Dataset, keyword: str
) -> None:
    film = deepcopy(phantom_film)
    put(film, keyword, "47\x0111")
    with pytest.raises(HeaderError, match="control characters") as caught:
        film_header(read_header(film_bytes(film)))
    assert "47" not in str(caught.value)
    put(film, keyword, "4711\0")
    assert film_header(read_header(film_bytes(film))).text(keyword) == "4711"


def test_another_number_with_control_characters_is_left_out(phantom_film: Dataset) -> None:
    film = deepcopy(phantom_film)
    put(film, "OtherPatientIDs", "47\x0111")
    assert film_header(read_header(film_bytes(film))).text("OtherPatientIDs") == ""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Yamada^Taro=山田\u3000太郎", "Yamada^Taro=山田\u3000太郎"),
        ("رضا\u200cپور^X", "رضا\u200cپور^X"),
        ("Doe\x07^Jane", "Doe^Jane"),
    ],
)
def test_names_keep_all_but_control_characters(
    phantom_film: Dataset, written: str, kept: str
) -> None:
    film = deepcopy(phantom_film)
    film.SpecificCharacterSet = "ISO_IR 192"
    put(film, "PatientName", written)
    assert film_header(read_header(film_bytes(film))).text("PatientName") == kept


def test_the_command_writes_objects_once_and_names_what_failed(
    header_films: dict[str, bytes],
    tiny_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    films.mkdir()
    (films / "good.dcm").write_bytes(header_films["utf8"])
    bad = films / "bad.dcm"
    bad.write_bytes(header_films["utf8"][:2000])
    command = ["pacs", "objects", str(films / "good.dcm"), str(bad), "-o", str(out)]
    command += ["--model", str(tiny_folder), "--force"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "bad.dcm" in said.err
    assert "1 of 2 files have no objects" in said.err
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(name.split("-")[0] for name in written) == ["capture", "report"]
    assert main(command) == 1
    assert "was kept" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == written
