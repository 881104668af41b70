"""Commitments: any report on a request is believed, and what is lost is sent again, to an end."""

from __future__ import annotations

import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import pytest

from pneumoscore.pacs.commitments import Settled
from pneumoscore.pacs.deliveries import OutboxObject, Patience
from pneumoscore.pacs.outbox import Outbox

REPORT, CAPTURE = "2.25.1", "2.25.2"
DAY = 86400.0
# The tables of an outbox without anything of commitments but the last request.
PLAIN_SCHEMA = """
CREATE TABLE results (
  source TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, picture TEXT NOT NULL,
  made REAL NOT NULL, PRIMARY KEY (source, model));
CREATE TABLE objects (
  uid TEXT PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, sop_class TEXT NOT NULL,
  made REAL NOT NULL, kept INTEGER NOT NULL DEFAULT 1);
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL REFERENCES objects (uid), target TEXT NOT NULL,
  state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
  error TEXT, made REAL NOT NULL, changed REAL NOT NULL, promise TEXT, UNIQUE (uid, target));
INSERT INTO objects VALUES ('2.25.1', '1.2.3', 'report', '1.2', 0, 1);
INSERT INTO deliveries VALUES (1, '2.25.1', 'A', 'sent', 0, 0, NULL, 0, 0, '1.9.1');
"""


class Clock:
    """Gives the time; goes on when it is told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("outbox", "commitments"):
        monkeypatch.setattr(f"pneumoscore.pacs.{module}.time", clock)
    return clock


def sent(folder: Path, patience: Patience | None = None) -> Outbox:
    """Return an outbox with two objects that were sent."""
    outbox = Outbox(folder / "outbox", patience)
    objects = [OutboxObject(it, "dicom", "1.2", b"bytes") for it in (REPORT, CAPTURE)]
    outbox.add("1.2.3", "model", "scored", "picture", objects, [("A", ("dicom",))])
    for item in objects:
        outbox.sent(item.uid, "A")
    return outbox


def states(outbox: Outbox) -> dict[str, int]:
    return {state: count for state, count in outbox.counts()["A"].items() if count}


def test_what_an_archive_has_not_kept_is_owed_again(tmp_path: Path, clock: Clock) -> None:
    outbox = sent(tmp_path)
    commitments = outbox.commitments
    assert commitments.to_ask("A", 600.0) == [("1.2", REPORT), ("1.2", CAPTURE)]
    commitments.asked([REPORT, CAPTURE], "A", "1.9")
    assert commitments.to_ask("A", 600.0) == []
    assert commitments.reported("1.8", [REPORT], []) == Settled(0, 0)
    assert commitments.reported("1.9", [REPORT], [CAPTURE]) == Settled(1, 0)
    assert commitments.reported("1.9", [REPORT], [CAPTURE]) == Settled(0, 0)
    assert states(outbox) == {"owed": 1, "confirmed": 1}
    clock.now += 3.0
    assert [it.uid for it in outbox.owed("A")] == [CAPTURE]


def test_a_report_that_comes_late_is_believed(tmp_path: Path, clock: Clock) -> None:
    outbox = sent(tmp_path)
    for number in range(3):
        clock.now += 2 * DAY
        asked = [uid for _, uid in outbox.commitments.to_ask("A", 600.0)]
        outbox.commitments.asked(asked, "A", f"1.9.{number}")
    assert outbox.commitments.reported("1.9.0", [REPORT], []) == Settled(1, 0)
    assert outbox.commitments.reported("1.9.1", [CAPTURE], []) == Settled(1, 0)
    assert states(outbox) == {"confirmed": 2}


def test_an_archive_that_does_not_report_is_asked_more_and_more_seldom(
    tmp_path: Path, clock: Clock
) -> None:
    outbox, began = sent(tmp_path), clock.now
    waits: list[float] = []
    while clock.now < began + 5 * DAY:
        if asked := [uid for _, uid in outbox.commitments.to_ask("A", 600.0)]:
            outbox.commitments.asked(asked, "A", f"1.9.{clock.now:.0f}")
            waits.append(clock.now - began)
        clock.now += 300.0
    between = [after - before for before, after in pairwise(waits)]
    assert between[:3] == [900.0, 1500.0, 2700.0]
    assert max(between) == between[-1] == DAY + 300.0


def test_a_request_that_does_not_arrive_lengthens_no_wait(tmp_path: Path, clock: Clock) -> None:
    commitments = sent(tmp_path).commitments
    for number in range(9):
        assert len(commitments.to_ask("A", 600.0)) == 2
        commitments.asked([REPORT, CAPTURE], "A", f"1.9.{number}")
        commitments.not_asked(f"1.9.{number}")
        assert commitments.to_ask("A", 600.0) == []
        clock.now += 601.0
    commitments.asked([REPORT, CAPTURE], "A", "1.9.9")
    assert commitments.reported("1.9.9", [REPORT, CAPTURE], []) == Settled(2, 0)


def test_what_an_archive_loses_again_and_again_is_given_up(tmp_path: Path, clock: Clock) -> None:
    outbox = sent(tmp_path, Patience(first=2.0, longest=300.0, end=3600.0))
    # Long after it was delivered: that is no reason to give it up at the first loss.
    clock.now += 10 * DAY
    began = clock.now
    delays: list[float] = []
    while states(outbox).get("dead") is None:
        outbox.commitments.asked([REPORT], "A", f"1.9.{len(delays)}")
        outbox.commitments.reported(f"1.9.{len(delays)}", [], [REPORT])
        due = outbox.next_due("A")
        if due is not None:
            delays.append(due - clock.now)
            clock.now = due
            assert [it.uid for it in outbox.owed("A")] == [REPORT]
            outbox.sent(REPORT, "A")
    assert [round(it / 2.0**n) for n, it in enumerate(delays[:6])] == [2] * 6
    assert 3600.0 <= clock.now - began <= 3600.0 + 330.0
    assert outbox.failures() == {"the archive has not kept it": 1}
    assert outbox.revive() == 1
    outbox.sent(REPORT, "A")
    outbox.commitments.asked([REPORT], "A", "1.9")
    assert outbox.commitments.reported("1.9", [], [REPORT]) == Settled(0, 0)


def test_a_lost_object_is_tried_for_its_whole_time_where_the_archive_is_away(
    tmp_path: Path, clock: Clock
) -> None:
    outbox = sent(tmp_path)
    clock.now += 10 * DAY
    outbox.commitments.asked([REPORT], "A", "1.9")
    outbox.commitments.reported("1.9", [], [REPORT])
    outbox.failed(REPORT, "A", "the archive did not answer")
    assert states(outbox) == {"owed": 1, "sent": 1}


def test_an_outbox_without_earlier_requests_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    connection = sqlite3.connect(tmp_path / "outbox" / "outbox.db")
    connection.executescript(PLAIN_SCHEMA)
    connection.close()
    outbox = Outbox(tmp_path / "outbox")
    assert outbox.commitments.to_ask("A", 600.0) == [("1.2", REPORT)]
    outbox.commitments.asked([REPORT], "A", "1.9.2")
    assert Outbox(tmp_path / "outbox").commitments.reported("1.9.1", [REPORT], []).confirmed == 1
