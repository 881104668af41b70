"""FHIR bundles and HL7 messages, as other people's libraries read them."""

from __future__ import annotations

import io
import socket
import threading
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from pneumoscore.pacs.messages.fhir import check_codes, film_bundle
from pneumoscore.pacs.messages.hl7 import escaped, film_message
from pneumoscore.pacs.objects.build import ObjectOptions
from pneumoscore.pacs.objects.film import FilmOutcome, ScoringTerms, score_film
from pneumoscore.pacs.objects.header import film_header, read_header
from pneumoscore.pacs.objects.result import FilmReport, Refusal
from pneumoscore.pacs.targets import Parcel
from pneumoscore.pacs.targets.mllp import MllpTarget
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import RESEARCH_NOTICE, Score
from tests.fixtures.pacs import film_bytes


@pytest.fixture(scope="module")
def outcome(header_films: dict[str, bytes], model: SeverityModel) -> FilmOutcome:
    terms = ScoringTerms(force=True)
    return score_film(header_films["japanese"], model, terms, ObjectOptions(capture=False))


@pytest.fixture(scope="module")
def refused(outcome: FilmOutcome) -> FilmReport:
    refusal = Refusal(("lateral", "inverted"), "no score", outcome.report.model)
    return FilmReport(refusal, outcome.report.preparation)


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle["entry"]]
    return [item for item in found if item["resourceType"] == kind]


def test_a_bundle_is_valid_and_holds_the_scores(outcome: FilmOutcome) -> None:
    from fhir.resources.R4B.bundle import Bundle

    bundle = film_bundle(outcome.header, outcome.report)
    Bundle.model_validate(bundle)
    score = outcome.report.outcome
    assert isinstance(score, Score)
    (report,) = resources(bundle, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert RESEARCH_NOTICE in report["conclusion"]
    group, *members = resources(bundle, "Observation")
    known = {f"urn:uuid:{item['id']}" for item in members}
    assert {it["reference"] for it in group["hasMember"]} == known
    for part, item in zip(score.scales, members, strict=True):
        assert item["valueQuantity"]["value"] == pytest.approx(part.value, abs=1e-4)
        values = {
            it["code"]["coding"][0]["code"]: it["valueQuantity"]["value"]
            for it in item["component"]
        }
        assert values[f"{part.scale.name}_low"] == pytest.approx(part.low, abs=1e-4)
        assert values[f"{part.scale.name}_high"] == pytest.approx(part.high, abs=1e-4)
        assert values["interval_level"] == 90.0
    (study,) = resources(bundle, "ImagingStudy")
    assert study["identifier"][0]["value"] == f"urn:oid:{outcome.header.study_instance_uid}"
    assert resources(bundle, "Patient") == []


def test_every_reference_points_into_the_bundle_and_ids_repeat(outcome: FilmOutcome) -> None:
    bundle = film_bundle(outcome.header, outcome.report)
    full = {entry["fullUrl"] for entry in bundle["entry"]}

    def references(part: Any) -> list[str]:
        if isinstance(part, list):
            return [it for item in part for it in references(item)]
        if isinstance(part, dict):
            own = [part["reference"]] if isinstance(part.get("reference"), str) else []
            return own + [it for value in part.values() for it in references(value)]
        return []

    assert set(references(bundle)) <= full
    assert film_bundle(outcome.header, outcome.report) == bundle


def test_a_second_film_of_a_study_replaces_nothing_of_the_first(outcome: FilmOutcome) -> None:
    second = replace(outcome.header, sop_instance_uid="1.2.3.99")
    first, other = (film_bundle(it, outcome.report) for it in (outcome.header, second))
    urls = [{entry["request"]["url"] for entry in bundle["entry"]} for bundle in (first, other)]
    assert urls[0].isdisjoint(urls[1])
    studies = [resources(bundle, "ImagingStudy")[0] for bundle in (first, other)]
    assert studies[0]["identifier"] == studies[1]["identifier"]


def test_a_code_outside_a_required_value_set_is_an_error(outcome: FilmOutcome) -> None:
    bundle = film_bundle(outcome.header, outcome.report)
    bundle["entry"][0]["resource"]["status"] = "nonsense"
    with pytest.raises(ValueError, match=r"DiagnosticReport\.status"):
        check_codes(bundle)


def test_a_refusal_says_why_and_gives_no_number(outcome: FilmOutcome, refused: FilmReport) -> None:
    bundle = film_bundle(outcome.header, refused)
    (group,) = resources(bundle, "Observation")
    assert group["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    assert "valueQuantity" not in group
    message = film_message(outcome.header, refused)
    assert "No score: the film was refused" in message
    assert "|NM|" not in message


def parsed(message: str) -> Any:
    from hl7apy.parser import parse_message

    return parse_message(message, find_groups=False)


def test_a_message_is_read_by_another_library(
    outcome: FilmOutcome, header_films: dict[str, bytes]
) -> None:
    score = outcome.report.outcome
    assert isinstance(score, Score)
    read = parsed(film_message(outcome.header, outcome.report))
    assert read.msh.msh_9.value == "ORU^R01^ORU_R01"
    film = dcmread(io.BytesIO(header_films["japanese"]), stop_before_pixels=True)
    assert read.pid.pid_3.pid_3_1.value == film.PatientID == "PHANTOM-4"
    assert read.pid.pid_3.pid_3_4.value == "HOSPITAL"
    assert read.pid.pid_5.value == "Yamada^Tarou"
    assert read.obr.obr_25.value == "P"
    values = {
        row.obx_3.obx_3_1.value: float(row.obx_5.value)
        for row in read.obx
        if row.obx_2.value == "NM"
    }
    for part in score.scales:
        assert values[part.scale.name] == pytest.approx(part.value, abs=1e-4)
        assert values[f"{part.scale.name}_high"] == pytest.approx(part.high, abs=1e-4)
    assert {row.obx_11.value for row in read.obx} == {"P"}
    assert RESEARCH_NOTICE in film_message(outcome.header, outcome.report)


def test_a_name_cannot_forge_a_segment(outcome: FilmOutcome) -> None:
    from pydicom.dataelem import DataElement

    evil = "Doe|x&y\\z~"
    copied = tuple(
        DataElement(it.tag, it.VR, evil) if it.keyword == "PatientID" else it
        for it in outcome.header.copied
    )
    header = replace(outcome.header, copied=copied)
    message = film_message(header, outcome.report)
    assert message.count("PID|") == 1
    assert "Doe\\F\\x\\T\\y\\E\\z\\R\\^^^HOSPITAL" in message


def test_a_message_keeps_wide_spaces_and_joiners_and_no_control_character() -> None:
    assert escaped("山田\u3000رضا\u200cپور\r") == "山田\u3000رضا\u200cپور "


@pytest.mark.parametrize(
    ("dicom", "hl7"),
    [
        ("Adams^John Robert^Quincy^Rev.^Jr.", "Adams^John Robert^Quincy^Jr.^Rev."),
        ("Adams^John^^Rev.", "Adams^John^^^Rev."),
        ("Adams^John^^^Jr.", "Adams^John^^Jr."),
        ("Adams^John", "Adams^John"),
        ("Adams^John^^^^", "Adams^John"),
    ],
)
def test_a_name_has_the_order_of_hl7(
    phantom_film: Dataset, outcome: FilmOutcome, dicom: str, hl7: str
) -> None:
    film = deepcopy(phantom_film)
    film.PatientName = dicom
    header = film_header(read_header(film_bytes(film)))
    assert parsed(film_message(header, outcome.report)).pid.pid_5.value == hl7


def test_each_number_has_its_unit(outcome: FilmOutcome) -> None:
    read = parsed(film_message(outcome.header, outcome.report))
    units = {row.obx_3.obx_3_1.value: row.obx_6.value for row in read.obx}
    assert units.pop("interval_level") == "%^percent^UCUM"
    assert set(units.values()) == {"1^no units^UCUM", ""}


def test_several_flags_are_told_apart(outcome: FilmOutcome, refused: FilmReport) -> None:
    rows = parsed(film_message(outcome.header, refused)).obx
    keys = [(row.obx_3.value, row.obx_4.value) for row in rows]
    assert len(set(keys)) == len(keys)
    assert [sub for code, sub in keys if code.startswith("quality_flag^")] == ["1", "2"]
    assert {sub for code, sub in keys if not code.startswith("quality_flag^")} == {""}


def serve_mllp(code: str, taken: list[bytes]) -> tuple[int, threading.Thread]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection, server:
            data = b""
            while not data.endswith(b"\x1c\r"):
                part = connection.recv(4096)
                if not part:
                    return
                data += part
            taken.append(data)
            control = data.split(b"|")[9].decode()
            answer = (
                f"MSH|^~\\&|RIS||||{datetime.now():%Y%m%d}||ACK|1|P|2.5.1\rMSA|{code}|{control}\r"
            )
            connection.sendall(b"\x0b" + answer.encode() + b"\x1c\r")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return server.getsockname()[1], thread


@pytest.mark.parametrize(
    ("code", "error", "final"), [("AA", None, False), ("AE", "AE", False), ("AR", "AR", True)]
)
def test_mllp_counts_only_an_acknowledgement_as_delivered(
    outcome: FilmOutcome, tmp_path: Path, code: str, error: str | None, final: bool
) -> None:
    path = tmp_path / "message"
    path.write_bytes(film_message(outcome.header, outcome.report).encode())
    taken: list[bytes] = []
    port, thread = serve_mllp(code, taken)
    (sent,) = MllpTarget(f"hl7://127.0.0.1:{port}").send([Parcel("1.2", "hl7", "", path)])
    thread.join(5)
    assert taken[0] == b"\x0b" + path.read_bytes() + b"\x1c\r"
    assert (sent.error is None) == (error is None)
    assert sent.final == final
    (sent,) = MllpTarget(f"hl7://127.0.0.1:{port}").send([Parcel("1.2", "hl7", "", path)])
    assert "did not answer" in str(sent.error)
