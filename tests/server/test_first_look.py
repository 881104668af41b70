"""``pneumoscore demo --serve``: everything to look at, in one command, on this computer alone."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from pneumoscore.cli.demo_site import _place
from pneumoscore.errors import PneumoScoreError
from tests.server.test_browser import _free_port

PROGRAM = [str(Path(sys.executable).with_name("pneumoscore")), "demo", "--serve"]


def test_a_folder_of_no_name_goes_and_a_named_one_stays(tmp_path: Path) -> None:
    with _place(None) as place:
        (place / "records.db").write_bytes(b"x")
    assert not place.exists()
    with _place(tmp_path / "look") as place:
        (place / "records.db").write_bytes(b"x")
    assert (tmp_path / "look" / "records.db").exists()
    assert (tmp_path / "look").stat().st_mode & 0o077 == 0
    with pytest.raises(PneumoScoreError, match="holds something"), _place(tmp_path / "look"):
        pass


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_first_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    url = f"http://127.0.0.1:{_free_port()}"
    process = subprocess.Popen(
        [*PROGRAM, "--port", url.rsplit(":", 1)[1]], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if "All of it lies in" in line:
            break
    said = "".join(told)
    try:
        assert url in said
        assert "Research use only" in said
        passwords = dict(re.findall(r"^  (\w+) +(\S+)$", said, re.MULTILINE))
        assert set(passwords) == {"viewer", "reader", "owner", "administrator"}
        assert all(len(word) >= 12 for word in passwords.values())
        folder = Path(re.search(r"lies in (\S+)", said)[1])  # type: ignore[index]
        assert folder.parent == tmp_path
        transport = httpx2.HTTPTransport(retries=30)
        with httpx2.Client(base_url=url, timeout=120.0, transport=transport) as viewer:
            form = {"name": "viewer", "password": passwords["viewer"]}
            assert viewer.post("/login", data=form).status_code == 303
            ward = viewer.get("/api/v1/ward").json()
            assert len(ward) == 4
            assert all(row["patient"].startswith("PHANTOM-") for row in ward)
            assert {row["advice"]["word"] for row in ward} >= {"worsening", "improving"}
            assert ward[0]["advice"]["word"] == "worsening"
            page = viewer.get(f"/patients/{ward[0]['id']}").text
            assert "Two films side by side" in page
            events = [viewer.get(f"/patients/{row['id']}").text for row in ward]
            assert any("treatment start" in text for text in events)
        with httpx2.Client(base_url=url, timeout=120.0) as reader:
            form = {"name": "reader", "password": passwords["reader"]}
            assert reader.post("/login", data=form).status_code == 303
            listed = reader.get("/reading").text
            assert "First look" in listed
            study = re.search(r"/reading/(\w+)", listed)[1]  # type: ignore[index]
            item = reader.get(f"/api/v1/reading/{study}/items/0").json()
            assert item["answer"] is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
    assert not folder.exists()
