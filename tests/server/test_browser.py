"""The pages in a real browser: a film scored, a study read, and no barrier that axe finds."""

import re
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from benchmarks.site_pages import NOBODY, site_pages
from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)
from pneumoscore.server.texts import catalogue

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.timeout(900)]

PASSWORD = "correct horse battery"
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
)
FIRST_PAINT_MS = 1000
PAGE_BYTES = 150 * 1024


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for_port(port: int, seconds: float = 120.0) -> None:
    """Return when the server takes connections: it says where a little before."""
    ends = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


class Served:
    """A running server and the code of its first administrator."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{_free_port()}"
        program = [str(Path(sys.executable).with_name("pneumoscore")), "serve"]
        options = ["--port", self.url.rsplit(":", 1)[1], "--records", str(folder / "records.db")]
        self.process = subprocess.Popen(
            [*program, *options, "--store", str(folder / "films")],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        first, second = self.process.stderr.readline(), self.process.stderr.readline()
        assert "Research use only" in first
        self.code = re.search(r"Code: (\w+)", second)[1]  # type: ignore[index]
        _wait_for_port(int(self.url.rsplit(":", 1)[1]))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.process.terminate()
    assert server.process.wait(timeout=60) in (0, -15)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as runtime:
        program = runtime.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        yield program
        program.close()


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("phantoms")
    found = []
    for number, extent in enumerate((0.0, 0.3, 0.7)):
        lung = LungDisease(extent, 0.5 if extent else 0.0)
        spec = PhantomSpec(right=lung, left=lung, seed=number, size=512)
        found.append(folder / f"film-{number}.dcm")
        at = datetime(2026, 1, 1 + number)
        write_phantom_dicom(render_phantom(spec), found[-1], SyntheticPatient(), at)
    return found


def barriers(page: Any) -> list[tuple[str, str]]:
    """Return what axe finds serious or critical."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations.map((v) => [v.impact, v.id])")
    return [(impact, rule) for impact, rule in found if impact in ("serious", "critical")]


def in_both_lights(page: Any) -> list[tuple[str, str]]:
    """Return the barriers of a page, drawn dark and drawn light."""
    found = []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        found += barriers(page)
    return found


def make_page(chromium: Any, scheme: str = "dark") -> Any:
    page = chromium.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme=scheme
    ).new_page()
    page.set_default_timeout(120_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.problems = problems
    return page


def sign_in(page: Any, served: Served, name: str) -> None:
    page.goto(f"{served.url}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{served.url}/")


def test_from_the_first_start_to_a_study_read(
    served: Served, chromium: Any, phantoms: list[Path]
) -> None:
    page = make_page(chromium)
    page.goto(f"{served.url}/")
    assert page.url == f"{served.url}/setup"
    assert barriers(page) == []
    page.fill("input[name=code]", served.code)
    page.fill("input[name=name]", "root")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{served.url}/")

    # A film is scored and looked at.
    page.set_input_files("#files", str(phantoms[2]))
    page.wait_for_selector("tr[data-state=done]")
    assert barriers(page) == []
    page.click("tr[data-state=done] a")
    page.wait_for_selector("canvas[data-shown=screen]")
    assert "Research use only" in page.inner_text("body")
    grey = """() => {
        const context = document.getElementById('film').getContext('2d');
        return [...context.getImageData(450, 450, 1, 1).data].slice(0, 3);
    }"""
    page.select_option("#scale", "")
    before = page.evaluate(grey)
    page.focus("#film")
    page.keyboard.press("i")
    after = page.evaluate(grey)
    assert all(abs(a + b - 255) <= 1 for a, b in zip(before, after, strict=True))
    page.keyboard.press("r")
    assert page.evaluate(grey) == before
    page.keyboard.press("d")
    assert page.is_visible("#definitions >> text=25 to 50 % of the lung")
    for _ in range(6):
        page.keyboard.press("+")
    page.wait_for_selector("canvas[data-shown=full]")
    page.keyboard.press("r")
    assert barriers(page) == []

    # What can be taken away, and the model.
    for link in page.query_selector_all("a[download]"):
        answer = page.request.get(served.url + link.get_attribute("href"), timeout=120_000)
        assert answer.status == 200
        assert len(answer.body()) > 200
    assert page.inner_text("a[download] >> nth=-1") == "DICOM secondary capture"
    page.goto(f"{served.url}/model")
    assert barriers(page) == []

    # A study as a ZIP file, a file that is none, and a folder.
    study = phantoms[0].parent / "study.zip"
    with zipfile.ZipFile(study, "w") as archive:
        archive.write(phantoms[0], "DICOM/IM1")
        archive.writestr("DICOM/IM2.dcm", b"damaged")
        archive.writestr("readme.txt", b"no film")
    folder = phantoms[0].parent / "cd"
    folder.mkdir()
    for name, data in (
        ("DICOMDIR", b"a list"),
        ("viewer.exe", b"MZ"),
        ("IM9", phantoms[1].read_bytes()),
    ):
        (folder / name).write_bytes(data)
    page.goto(f"{served.url}/")
    page.set_input_files("#files", [str(study)])
    page.wait_for_selector("#progress:has-text('study.zip: passed over 1 no image.')")
    page.wait_for_selector("tr[data-state=done]:has-text('study.zip/DICOM/IM1')")
    page.wait_for_selector("tr[data-state=failed]:has-text('study.zip/DICOM/IM2.dcm')")
    page.set_input_files("#folder", str(folder))
    page.wait_for_selector("tr[data-state=done]:has-text('IM9')")
    assert "1 of 1 files sent." in page.inner_text("#progress")
    assert page.locator("#films tbody tr").count() == 4
    assert barriers(page) == []

    # Accounts, a study, a reader.
    page.goto(f"{served.url}/accounts")
    for name, role in (("ada", "owner"), ("ben", "reader")):
        form = page.locator("form[action='/accounts']")
        form.locator("input[name=name]").fill(name)
        form.locator("select[name=role]").select_option(role)
        form.locator("input[name=password]").fill(PASSWORD)
        form.locator("button").click()
        page.wait_for_selector(f"th:text-is('{name}')")
    assert barriers(page) == []
    owner = make_page(chromium, "light")
    sign_in(owner, served, "ada")
    owner.goto(f"{served.url}/studies")
    owner.fill("input[name=name]", "Pilot")
    owner.click("form[action='/studies'] button")
    owner.wait_for_selector("#films")
    owner.fill("textarea[name=instructions]", "Score each lung.")
    owner.fill("input[name=repeats]", "0")
    owner.click("form[action$=options] button")
    owner.check("label:has-text('ben') input")
    owner.click("form[action$=readers] button")
    owner.set_input_files("#films", str(phantoms[0]))
    owner.wait_for_selector("li:has-text('F001')")
    # The others are in the records, and their files are still kept as uploads.
    owner.click("summary")
    owner.fill("#choice input[name=number]", "phantom")
    owner.click("#choice button:not([type])")
    owner.click("#take:has-text('(2)')", trial=True)
    words = catalogue()
    assert owner.inner_text("#drawn").splitlines() == [
        words["choice.matching"].format(matching=2, patients=1),
        words["choice.drawn"].format(drawn=2, drawn_patients=1),
        words["choice.in_study"].format(count=1),
    ]
    owner.fill("#choice input[name=until]", "2026-01-02")
    assert owner.is_hidden("#take")  # what was drawn is not what is asked for now
    owner.fill("#choice input[name=until]", "")
    owner.click("#choice button:not([type])")
    owner.wait_for_selector("#take:has-text('(2)')")
    assert in_both_lights(owner) == []
    owner.click("#take")
    owner.wait_for_selector("li:has-text('F003')")
    owner.click("form[action$=open] button")
    owner.wait_for_selector("form[action$=lock]")

    reader = make_page(chromium)
    sign_in(reader, served, "ben")
    people = {"viewer": page, "administrator": page, "owner": owner, "reader": reader}
    people[NOBODY] = make_page(chromium)
    for each in site_pages(people, served.url):
        people[each.person].goto(f"{served.url}{each.path}")
        assert people[each.person].url == f"{served.url}{each.path}"
        assert in_both_lights(people[each.person]) == [], each
    page.goto(f"{served.url}/nowhere")
    assert in_both_lights(page) == []

    reader.goto(f"{served.url}/reading")
    reader.click("td a")
    reader.click("#begin")
    for position in range(3):
        reader.wait_for_selector(f"#room[data-position='{position}'] canvas")
        for row in ("extent_right", "opacity_right", "extent_left", "opacity_left"):
            reader.focus(f"input[name={row}]")
            reader.keyboard.press("1")
        if position == 0:
            assert barriers(reader) == []
        reader.keyboard.press("Enter")
    reader.wait_for_selector("#room[data-position=done]")
    reader.click("#pause")
    reader.wait_for_selector("#room[data-position=over]")

    owner.goto(f"{served.url}/studies")
    owner.click("main a[href^='/studies/']")
    owner.click("form[action$=lock] button")
    owner.wait_for_selector("form[action$=unblind]")
    assert in_both_lights(owner) == []
    owner.click("form[action$=unblind] button")
    owner.wait_for_selector("text=State: unblinded")
    assert in_both_lights(owner) == []
    assert [*page.problems, *owner.problems, *reader.problems] == []


def test_pages_are_small(served: Served, chromium: Any) -> None:
    page = make_page(chromium)
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(f"{served.url}/login")
    page.wait_for_load_state("networkidle")
    assert 0 < sum(sizes) < PAGE_BYTES
