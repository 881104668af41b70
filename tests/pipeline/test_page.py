import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pneumoscore.errors import FailureReason
from pneumoscore.pipeline.job import run_job
from pneumoscore.pipeline.options import ScoringOptions
from pneumoscore.pipeline.result import FileResult
from pneumoscore.pipeline.run import Run, RunReport
from pneumoscore.pipeline.sinks.page import Page as PageSink
from pneumoscore.pipeline.walk import Found
from pneumoscore.severity.model import SeverityModel
from pneumoscore.severity.score import RESEARCH_NOTICE


@pytest.fixture(scope="module")
def model(tiny_folder):
    return SeverityModel.open(tiny_folder, threads=1)


class Page(HTMLParser):
    """Collects text, pictures and what would be loaded from elsewhere."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [
            value
            for name, value in attributes
            if name in ("src", "href") and not value.startswith("#")
        ]
        if tag not in ("meta", "img", "line", "rect", "circle", "stop"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def test_the_page_shows_scores_errors_and_films_and_needs_no_other_file(
    tmp_path, model, tiny_model
):
    film = tmp_path / "film <script>.png"
    Image.fromarray((tiny_model.film().pixels * 255).astype(np.uint8)).save(film)
    (tmp_path / "bad.png").write_text("no image")
    sink = PageSink(tmp_path / "page.html", title="Five days & nights")
    found = [Found(film), Found(tmp_path / "bad.png")]
    run_job(found, model, ScoringOptions(view=True), [sink])
    page = Page(tmp_path / "page.html")
    assert page.open == []
    assert "script" not in page.tags
    assert "film <script>.png" in page.text
    assert "Five days & nights" in page.text
    assert page.text.count(RESEARCH_NOTICE) >= 2
    score = model.score(tiny_model.film())["geographic_extent"]
    assert f"{score.value:.1f}" in page.text
    assert f"{score.low:.1f} to {score.high:.1f} (90 %)" in page.text
    assert "No score:" in page.text
    assert "1 of 2 films scored" in page.text
    assert model.identity.sha256 in page.text
    bare, drawn = (
        Image.open(io.BytesIO(base64.b64decode(link.removeprefix("data:image/jpeg;base64,"))))
        for link in page.links
    )
    assert bare.mode == "L"
    assert drawn.mode == "RGB"
    assert bare.size == drawn.size
    assert "points per place" in page.text


def test_a_result_without_its_film_has_no_picture(tmp_path, model, tiny_model):
    film = tmp_path / "film.png"
    Image.fromarray((tiny_model.film().pixels * 255).astype(np.uint8)).save(film)
    run_job([Found(film)], model, ScoringOptions(), [PageSink(tmp_path / "page.html")])
    assert Page(tmp_path / "page.html").links == []


def test_flags_stand_on_the_page_in_words(tmp_path, model):
    run = Run.of(model, ScoringOptions())
    sink = PageSink(tmp_path / "page.html")
    sink.open(run)
    refused, flags = FailureReason.REFUSED, ("not_a_chest_radiograph",)
    sink.add(FileResult(Path("a"), None, "refused & why", refused, flags))
    sink.finish(RunReport(run))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "not a chest radiograph" in text
    assert "refused &amp; why" in text
    assert re.search("https?://", text) is None
