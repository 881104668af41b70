import importlib.util
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pneumoscore.errors import UnreadableFileError
from pneumoscore.present.browser import find_chromium, print_pdf
from pneumoscore.study.checklists import CLAIM, NOT_AVAILABLE, TRIPOD_AI, fill
from pneumoscore.study.evaluation import evaluate
from pneumoscore.study.pdf import drawn_pdf
from pneumoscore.study.report import ReportContent, default_facts, html_report, read_facts


@pytest.fixture(scope="module")
def content():
    spec = importlib.util.spec_from_file_location(
        "evaluation_films", Path(__file__).with_name("test_evaluation.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return ReportContent(
        "Model <x> on films",
        (evaluate(module.table(), 100),),
        "# Card\n\nFitted on **made-up** films.\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        facts={"ethics": "exempt"},
        remarks=("3 films left out",),
    )


class _Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.loads = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "br", "path", "use", "rect", "line"}:
            self.open.append(tag)
        self.loads += [
            value
            for name, value in attrs
            if name in {"src", "href", "xlink:href"} and not value.startswith("#")
        ]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in {"meta", "br", "path", "use", "rect", "line"}:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(content):
    page = html_report(content)
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert parser.loads == []
    assert page.count("Research use only, not for medical use.") >= 2
    assert "Model &lt;x&gt; on films" in page
    assert "<x>" not in page
    assert page.count("<svg") == 3
    for part in ("TRIPOD+AI", "CLAIM 2024", "Model card", "3 films left out", "ICC(A,1)"):
        assert part in page
    assert "<strong>made-up</strong>" in page


def test_equal_content_gives_the_same_page(content):
    assert html_report(content) == html_report(content)


def test_checklists_answer_or_say_not_available(content):
    facts = default_facts(content)
    rows = {number: answer for number, _, answer in fill(TRIPOD_AI, facts)}
    assert rows["17"] == "exempt"
    assert rows["18a"] == NOT_AVAILABLE
    assert "Subgroups" in rows["14"]
    assert len(rows) == len(TRIPOD_AI)
    assert all(answer for _, _, answer in fill(CLAIM, facts))
    assert set(facts) <= {item.fact for item in (*TRIPOD_AI, *CLAIM)}


def test_facts_of_a_site(tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"funding": "none"}))
    assert read_facts(path) == {"funding": "none"}
    for text in ("{", "[]", '{"funding": 1}', '{"colour": "red"}'):
        path.write_text(text)
        with pytest.raises(UnreadableFileError):
            read_facts(path)


def test_the_drawn_pdf_is_one(content):
    data = drawn_pdf(content)
    assert data.startswith(b"%PDF")
    assert data.count(b"/Type /Page") > 1


@pytest.mark.chromium
@pytest.mark.skipif(not find_chromium(), reason="needs Chromium")
def test_chromium_prints_the_page(content, tmp_path):
    page = tmp_path / "a report.html"
    page.write_text(html_report(content), encoding="utf-8")
    print_pdf(page, tmp_path / "r.pdf", find_chromium())
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert shutil.which("chromium") is None or (tmp_path / "r.pdf").stat().st_size > 20_000
