"""The outbox: nothing twice, nothing lost, an end to every delivery."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pneumoscore.errors import SettingsError
from pneumoscore.pacs.deliveries import Delivery, OutboxObject, Patience
from pneumoscore.pacs.outbox import Outbox
from pneumoscore.pacs.targets import make_target
from pneumoscore.pacs.targets.folder import FolderTarget
from pneumoscore.pacs.targets.web import stored_uids

DICOM, MESSAGES = ("A", ("report", "capture")), ("B", ("hl7",))


def objects(number: int = 1) -> list[OutboxObject]:
    return [
        OutboxObject(f"2.25.{number}1", "report", "1.2.840.10008.5.1.4.1.1.88.34", b"report"),
        OutboxObject(f"2.25.{number}2", "capture", "1.2.840.10008.5.1.4.1.1.7", b"capture"),
        OutboxObject(f"2.25.{number}3", "hl7", "", b"message"),
    ]


def filled(folder: Path, patience: Patience | None = None) -> Outbox:
    outbox = Outbox(folder / "outbox", patience)
    assert outbox.add("1.2.3", "model", "scored", "picture", objects(), [DICOM, MESSAGES])
    return outbox


def test_each_target_is_owed_what_it_takes_and_nothing_twice(tmp_path: Path) -> None:
    outbox = filled(tmp_path)
    again = [OutboxObject(it.uid, it.kind, it.sop_class_uid, b"other bytes") for it in objects()]
    assert not outbox.add("1.2.3", "model", "scored", "picture", again, [DICOM, MESSAGES])
    reopened = Outbox(tmp_path / "outbox")
    assert [it.kind for it in reopened.owed("A")] == ["report", "capture"]
    assert [it.kind for it in reopened.owed("B")] == ["hl7"]
    assert reopened.owed("A")[0].path.read_bytes() == b"report"
    assert reopened.is_own("2.25.11")
    assert not reopened.is_own("1.2.3")
    assert (tmp_path / "outbox").stat().st_mode & 0o777 == 0o700


def test_failures_are_repeated_later_and_have_an_end(tmp_path: Path) -> None:
    outbox = filled(tmp_path, Patience(first=600.0))
    assert outbox.failed("2.25.11", "A", "away") is Delivery.OWED
    assert [it.uid for it in outbox.owed("A")] == ["2.25.12"]
    due = outbox.next_due("B")
    assert due is not None
    assert due <= time.time()
    assert outbox.failures() == {"away": 1}
    assert outbox.failed("2.25.12", "A", "never", final=True) is Delivery.DEAD
    impatient = Outbox(tmp_path / "outbox", Patience(end=0.0))
    assert impatient.failed("2.25.11", "A", "away") is Delivery.DEAD
    assert outbox.counts()["A"]["dead"] == 2
    assert outbox.revive() == 2
    assert len(outbox.owed("A")) == 2


def test_delays_double_up_to_a_bound() -> None:
    patience = Patience(first=2.0, longest=300.0)
    delays = [patience.delay(number) for number in range(40)]
    assert 1.8 <= delays[0] <= 2.2
    assert delays[5] > 10 * delays[0]
    assert max(delays) <= 330.0


def test_bytes_are_deleted_only_when_every_target_has_them(tmp_path: Path) -> None:
    outbox = filled(tmp_path)
    outbox.sent("2.25.11", "A")
    assert outbox.forget(time.time() + 1, committed=False) == 1
    assert not (tmp_path / "outbox" / "objects" / "2.25.11.dcm").exists()
    assert (tmp_path / "outbox" / "objects" / "2.25.12.dcm").exists()
    assert outbox.picture_of("1.2.3", "model") == "picture"
    assert outbox.is_own("2.25.11")


def test_a_folder_gets_whole_files(tmp_path: Path) -> None:
    outbox = filled(tmp_path)
    target = FolderTarget(tmp_path / "out")
    sent = target.send(outbox.owed("A") + outbox.owed("B"))
    assert [it.error for it in sent] == [None] * 3
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["capture-2.25.12.dcm", "hl7-2.25.13.hl7", "report-2.25.11.dcm"]


@pytest.mark.parametrize("text", ["A@", "A@host", "A@host:0", "A@host:99999", "hl7://host"])
def test_a_target_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError):
        make_target(text)


def test_only_uids_in_the_answer_are_stored() -> None:
    assert stored_uids({}) == stored_uids([]) == set()
    for odd in (None, 5, {"Value": None}, {"Value": [{"00081155": None}, {"00081155": {}}, 7]}):
        assert stored_uids({"00081199": odd}) == set()
    item = {"00081155": {"vr": "UI", "Value": ["1.2"]}}
    assert stored_uids({"00081199": {"vr": "SQ", "Value": [item]}}) == {"1.2"}
    assert stored_uids({"00081198": {"vr": "SQ", "Value": [item]}}) == set()
