"""Draws docs/pictures/site-*.png: the server's pages with phantoms, in Chromium.

Usage: python docs/make_site_pictures.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).with_name("pictures")
PORT = 8799
URL = f"http://127.0.0.1:{PORT}"
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-sync")
WAIT_MS = 120_000


def serve(folder: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Serve a first look, and return it with the passwords of its accounts."""
    program = [str(Path(sys.executable).with_name("pneumoscore")), "demo", "--serve"]
    process = subprocess.Popen(
        [*program, str(folder), "--port", str(PORT)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "All of it lies in" in line:
            break
    return process, dict(re.findall(r"^  (\w+) +(\S+)$", said, re.MULTILINE))


def sign_in(page: Any, name: str, password: str) -> None:
    """Sign a person in, as soon as the server takes connections: it says so a little before."""
    for _ in range(60):
        try:
            page.goto(f"{URL}/login")
            break
        except Exception:
            page.wait_for_timeout(1000)
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.click("main button")
    page.wait_for_url(f"{URL}/")


def draw(browser: Any, passwords: dict[str, str], films: list[str]) -> None:
    """Walk through the pages and keep a picture of each."""

    def person(name: str, *, scheme: str = "dark", width: int = 1280, height: int = 960) -> Any:
        size = {"width": width, "height": height}
        page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
        page.set_default_timeout(WAIT_MS)
        sign_in(page, name, passwords[name])
        return page

    def keep(page: Any, name: str) -> None:
        page.wait_for_timeout(1500)
        page.screenshot(path=str(PICTURES / f"site-{name}.png"))

    viewer = person("viewer")
    viewer.set_input_files("#files", films)
    viewer.wait_for_function("() => document.querySelectorAll('tr[data-state=done]').length === 3")
    keep(viewer, "score")
    viewer.click("tr[data-state=done]:nth-child(2) a")
    viewer.wait_for_selector("canvas[data-shown=screen]")
    keep(viewer, "film")
    viewer.goto(f"{URL}/ward")
    viewer.wait_for_selector("#ward tbody tr")
    keep(viewer, "ward")
    viewer.click("#ward tbody tr:first-child a")
    viewer.wait_for_selector(".side[data-side=earlier][data-shown=screen]")
    viewer.wait_for_selector(".side[data-side=later][data-shown=screen]")
    viewer.wait_for_function("() => document.querySelector('img.timeline').naturalWidth > 0")
    viewer.set_viewport_size({"width": 1280, "height": 2150})
    keep(viewer, "patient")
    tablet = person("viewer", scheme="light", width=820, height=1100)
    tablet.goto(f"{URL}/ward")
    tablet.wait_for_selector("#ward tbody tr")
    keep(tablet, "ward-tablet")
    owner = person("owner")
    owner.goto(f"{URL}/studies")
    owner.fill("input[name=name]", "Pilot of three phantoms")
    owner.click("form[action='/studies'] button")
    owner.fill("input[name=repeats]", "0")
    owner.click("form[action$=options] button")
    owner.check("label:has-text('reader (reader)') input")
    owner.click("form[action$=readers] button")
    owner.set_input_files("#films", films)
    owner.wait_for_selector("li:has-text('F003')")
    keep(owner, "study")
    reader = person("reader")
    reader.goto(f"{URL}/reading")
    reader.click("td a")
    reader.click("#begin")
    reader.wait_for_selector("#room[data-position='0'] canvas")
    reader.check("input[name=extent_right][value='2']")
    reader.check("input[name=opacity_right][value='1']")
    keep(reader, "read")


def main() -> None:
    """Draw all pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "look"
        process, passwords = serve(folder)
        films = [str(folder / "films" / f"film-{number:02d}.dcm") for number in (2, 3, 9)]
        try:
            with sync_playwright() as runtime:
                chromium = runtime.chromium
                browser = chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
                draw(browser, passwords, films)
                browser.close()
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
