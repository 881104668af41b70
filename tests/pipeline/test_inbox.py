"""The inbox: nothing is lost, nothing is taken in twice, and what cannot be saved is kept."""

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pneumoscore.errors import PneumoScoreError
from pneumoscore.pipeline.inbox import Inbox, State


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox", most_attempts=2)


def test_a_film_is_taken_in_once_and_ends_done(inbox):
    assert inbox.put(b"film", "1.2.3", {"from": "PACS"})
    assert not inbox.put(b"film", "1.2.3")
    (entry,) = inbox.claim("w")
    assert entry.path.read_bytes() == b"film"
    assert entry.details == {"from": "PACS"}
    assert inbox.claim("w") == []
    inbox.done(entry)
    assert not entry.path.exists()
    assert not inbox.put(b"film", "1.2.3")
    assert inbox.counts() == {
        State.WAITING: 0, State.CLAIMED: 0, State.DONE: 1, State.DEAD: 0
    }  # fmt: skip


def test_another_film_under_the_same_key_is_refused(inbox):
    inbox.put(b"film", "1.2.3")
    with pytest.raises(PneumoScoreError, match="another film"):
        inbox.put(b"other", "1.2.3")
    assert [path.read_bytes() for path in (inbox.folder / "films").iterdir()] == [b"film"]


def test_waiting_without_a_fault_costs_no_attempt(inbox):
    inbox.put(b"film", "1")
    for _ in range(5):
        (entry,) = inbox.claim("w")
        assert entry.attempts == 1
        inbox.postpone(entry, "no room", delay=0.0)
    (entry,) = inbox.claim("w")
    inbox.postpone(entry, "no room", delay=60.0)
    assert inbox.claim("w") == []
    (entry,) = inbox.entries(State.WAITING)
    assert (entry.attempts, entry.error) == (0, "no room")


def test_failures_are_tried_again_later_and_then_dead(inbox, monkeypatch):
    inbox.put(b"film", "1")
    (entry,) = inbox.claim("w")
    assert inbox.retry(entry, "no network", delay=60.0) is State.WAITING
    assert inbox.claim("w") == []
    later = time.time() + 61.0
    monkeypatch.setattr("pneumoscore.pipeline.inbox.time.time", lambda: later)
    (entry,) = inbox.claim("w")
    assert (entry.attempts, entry.error) == (2, "no network")
    assert inbox.retry(entry, "still none") is State.DEAD
    (dead,) = inbox.entries(State.DEAD)
    assert dead.path.exists()
    assert dead.error == "still none"
    inbox.revive(dead.id)
    assert [item.key for item in inbox.claim("w")] == ["1"]


def test_a_claim_ends_with_its_lease(inbox):
    inbox.put(b"film", "1")
    for _ in range(2):
        assert len(inbox.claim("w", lease=0.01)) == 1
        time.sleep(0.02)
    assert inbox.claim("w") == []
    assert inbox.counts()[State.DEAD] == 1


def test_an_entry_is_claimed_by_one_worker_only(inbox):
    for number in range(30):
        inbox.put(b"film %d" % number, str(number))

    def work(name):
        other, found = Inbox(inbox.folder), []
        while entries := other.claim(name, most=2):
            found += [entry.key for entry in entries]
        return found

    with ThreadPoolExecutor(4) as pool:
        keys = [key for keys in pool.map(work, "abcd") for key in keys]
    assert sorted(keys, key=int) == [str(number) for number in range(30)]


def test_only_the_owner_reads_it_and_names_tell_nothing(inbox):
    inbox.put(b"film", "PATIENT-1")
    for path in [*inbox.folder.rglob("*"), inbox.folder]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert "PATIENT" not in path.name


def test_what_was_taken_in_survives_a_kill(tmp_path):
    program = (
        "import sys; from pathlib import Path; from pneumoscore.pipeline.inbox import Inbox\n"
        "inbox = Inbox(Path(sys.argv[1]))\n"
        "for n in range(10**6):\n"
        "    inbox.put(b'film %d' % n, str(n)); print(n, flush=True)"
    )
    folder = tmp_path / "inbox"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        for _ in range(20):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        told = [last, *map(int, process.stdout.read().split())]
    inbox = Inbox(folder)
    kept = {int(entry.key): entry.path.read_bytes() for entry in inbox.entries()}
    assert set(range(max(told) + 1)) <= set(kept)
    assert all(data == b"film %d" % number for number, data in kept.items())


def test_an_entry_can_be_removed_for_good(inbox):
    inbox.put(b"film", "1")
    assert inbox.remove("1")
    assert not inbox.remove("1")
    assert list((inbox.folder / "films").iterdir()) == []
