"""Downloads from a real server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pneumoscore.backbone.session import Backbone
from pneumoscore.convert import fetch
from pneumoscore.convert.fetch import PUBLISHED, XRV_FINDINGS, download, fetch_backbone
from pneumoscore.errors import ModelError

NAME = "densenet121-res224-all"


class Handler(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/empty":
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        length = len(self.body) + (1000 if self.path == "/short" else 0)
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.body = np.random.default_rng(0).bytes(700_000)
    served = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.mark.parametrize("page", ["/file", "/unannounced"])
def test_a_whole_download(server: str, tmp_path: Path, page: str) -> None:
    seen: list[tuple[int, int | None]] = []
    path = tmp_path / "file"
    digest = download(server + page, path, lambda received, total: seen.append((received, total)))
    assert path.read_bytes() == Handler.body
    assert digest == hashlib.sha256(Handler.body).hexdigest()
    assert seen[-1] == (700_000, 700_000 if page == "/file" else None)


@pytest.mark.parametrize(
    ("page", "reason"), [("/missing", "404"), ("/empty", "204"), ("/short", "700000 bytes arrived")]
)
def test_a_failed_download_leaves_no_file(
    server: str, tmp_path: Path, page: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        download(server + page, tmp_path / "file")
    assert "--from FILE" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_server_and_no_web_address(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the download failed"):
        download("http://127.0.0.1:9/file", tmp_path / "file")
    with pytest.raises(ModelError, match="no web address"):
        download("file:///etc/passwd", tmp_path / "file")


@pytest.fixture
def published(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, densenet: nn.Module
) -> Path:
    """The checkpoint with formula parameters, published by the server."""
    file = tmp_path / "published.pt"
    torch.save(densenet.state_dict(), file)
    Handler.body = file.read_bytes()
    source = dataclasses.replace(PUBLISHED[NAME], url=f"{server}/file")
    monkeypatch.setitem(fetch.PUBLISHED, NAME, source)
    return file


def test_fetching_installs_once(published: Path, home: Path) -> None:
    record = fetch_backbone(NAME)
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    assert record.details["source_sha256"] == digest
    assert record.findings == XRV_FINDINGS
    assert sorted(p.name for p in (home / "backbones").iterdir()) == [
        f"{NAME}.json",
        f"{NAME}.onnx",
    ]
    assert Backbone.open(NAME, threads=1).record == record
    Handler.body = b"an error page"
    assert fetch_backbone(NAME) == record
    with pytest.raises(ModelError):
        fetch_backbone(NAME, overwrite=True)
    assert Backbone.open(NAME, threads=1).record == record


def test_a_file_that_is_given_is_never_left_out_unsaid(
    published: Path, home: Path, tmp_path: Path
) -> None:
    record = fetch_backbone(NAME, from_file=published)
    assert fetch_backbone(NAME, from_file=published) == record
    with pytest.raises(ModelError, match="there is no file"):
        fetch_backbone(NAME, from_file=tmp_path / "absent.pt")
    (tmp_path / "other.pt").write_bytes(b"another")
    with pytest.raises(ModelError, match=f"model remove {NAME}"):
        fetch_backbone(NAME, from_file=tmp_path / "other.pt")


def test_a_pinned_hash_is_checked(
    published: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = dataclasses.replace(fetch.PUBLISHED[NAME], sha256="0" * 64)
    monkeypatch.setitem(fetch.PUBLISHED, NAME, pinned)
    with pytest.raises(ModelError, match=f"expected {'0' * 64}"):
        fetch_backbone(NAME, from_file=published)
    assert not home.exists()


def test_unknown_names_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="one of densenet121-res224-all"):
        fetch_backbone("resnet50-res512-all")
    with pytest.raises(ModelError, match="there is no file"):
        fetch_backbone(NAME, from_file=tmp_path / "absent.pt")


GOLDEN = {
    "2966893D-5DDF-4B68-9E2B-4979D5956C8E.jpeg": (5.979, 4.170),
    "31BA3780-2323-493F-8AED-62081B9C383B.jpeg": (6.293, 4.367),
    "41591_2020_819_Fig1_HTML.webp-day5.png": (3.067, 2.335),
    "8FDE8DBA-CFBD-4B4C-B1A4-6F36A93B7E87.jpeg": (0.9483, 1.0),
}


@pytest.mark.real_weights
@pytest.mark.shared_data
@pytest.mark.parametrize("image", list(GOLDEN))
def test_the_published_weights_give_the_published_scores(shared_data: Path, image: str) -> None:
    """Scores of the authors' README (mlmed/covid-severity), heads v1.

    Their resizing differs from ours, so the scores agree to a tenth, not to the last digit.
    """
    file = os.environ.get("PNEUMOSCORE_DENSENET_FILE")
    if not file:
        pytest.skip("PNEUMOSCORE_DENSENET_FILE does not name the published checkpoint")
    from pneumoscore.radiograph.prepare import prepare
    from pneumoscore.radiograph.read import read_radiograph

    record = fetch_backbone(NAME, from_file=file)
    prepared = prepare(read_radiograph(shared_data / "cohen94" / image), record.input)
    logits = Backbone.open(NAME).run(prepared.array[None]).findings[0]
    opacity = float(logits[record.findings.index("Lung Opacity")])
    extent_score = np.clip(0.8705248236656189 * opacity + 3.4137437, 0, 8)
    opacity_score = np.clip(0.5484423041343689 * opacity + 2.5535977, 0, 6)
    assert (extent_score, opacity_score) == pytest.approx(GOLDEN[image], abs=0.1)
