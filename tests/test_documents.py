"""Documents: every link leads somewhere, every page is found, versions agree."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def places(page: Path) -> set[str]:
    """Return the names that a link may give for a heading of the page."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        letters = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(letters.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, place = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if place:
            assert place in places(target), link


def test_every_file_and_module_that_a_page_names_is_there() -> None:
    package = ROOT / "src" / "pneumoscore"
    tops = {path.name for place in (ROOT, package) for path in place.iterdir() if path.is_dir()}
    for page in PAGES:
        for words in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")):
            for name in re.findall(r"(?<![\w./-])(\w+/[\w./-]+\.(?:py|sh|md|json|html))", words):
                if name.split("/")[0] in tops:
                    assert (ROOT / name).exists() or (package / name).exists(), (page.name, name)
            for name in re.findall(r"\bpneumoscore(?:\.\w+)+", words):
                if name.split(".")[1] in tops | {path.stem for path in package.glob("*.py")}:
                    assert pkgutil.resolve_name(name) is not None, (page.name, name)


def test_the_table_of_floors_is_the_contract_of_imports() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    table = (DOCS / "architecture.md").read_text(encoding="utf-8").split("## Floors")[1]
    rows = re.findall(r"^\| (`.*?`) \|", table.split("\n## ")[0], re.MULTILINE)
    floors = [{name.strip("`/") for name in row.split()} for row in rows]
    assert floors == [set(layer.split(" | ")) for layer in contract]


def test_the_index_leads_to_every_page() -> None:
    linked = set(LINK.findall((DOCS / "index.md").read_text(encoding="utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= linked


def test_every_page_says_that_it_is_research() -> None:
    for page in (ROOT / "README.md", DOCS / "index.md", DOCS / "install.md"):
        assert "esearch use only, not for medical use" in page.read_text(encoding="utf-8")


def test_citation_and_changelog_are_of_this_version() -> None:
    version = project()["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    assert f"\nlicense: {project()['license']}\n" in citation
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_extra_that_a_user_installs_is_explained() -> None:
    extras = set(project()["optional-dependencies"]) - {"dev", "benchmark"}  # type: ignore[call-overload]
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    table = page.split("## Extras")[1].split("## ")[0]
    assert {name for name in extras if f"| `{name}` |" not in table} == set()


def test_the_container_copies_what_is_there_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    names = [name for line in copied for name in line if not name.startswith(("--", "/"))]
    assert {"src", "pyproject.toml", "LICENSE"} <= set(names)
    assert all((ROOT / name).exists() for name in names)
    assert [line for line in lines if line.startswith("USER ")][-1] != "USER root"


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_figures", DOCS / "make_figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(page: Path, name: str) -> str:
    text = page.read_text(encoding="utf-8")
    return text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0].strip()


def test_the_readmes_figures_are_those_of_the_page_of_figures(figures: ModuleType) -> None:
    expected = figures.main_figures(section(DOCS / "figures.md", "peers"))
    assert section(ROOT / "README.md", "main") == expected
    assert expected.count("**") == 4  # the program's own row


def test_the_words_on_monitoring_are_those_of_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    page = DOCS / "monitoring.md"
    meaning = importlib.import_module("make_monitoring").meaning(section(page, "validation"))
    assert section(page, "meaning") == meaning


def test_every_part_of_the_pages_that_is_filled_has_its_marks(figures: ModuleType) -> None:
    filled = figures.between("a <!-- x: begin -->\nold\n<!-- x: end --> b", "x", "new")
    assert filled == "a <!-- x: begin -->\nnew\n<!-- x: end --> b"
    with pytest.raises(SystemExit, match="marks of 'y'"):
        figures.between(filled, "y", "new")
