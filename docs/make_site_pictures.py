"""Draws docs/pictures/site-*.png: the server's pages with phantoms, in Chromium.

Usage: python docs/make_site_pictures.py
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)

PICTURES = Path(__file__).with_name("pictures")
PORT = 8799
URL = f"http://127.0.0.1:{PORT}"
PASSWORD = "only for these pictures"
FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-sync")


def phantoms(folder: Path) -> list[str]:
    """Write three phantoms of one synthetic patient."""
    paths = []
    for number, extent in enumerate((0.15, 0.45, 0.7)):
        lung = LungDisease(extent, 0.55)
        film = render_phantom(PhantomSpec(right=lung, left=lung, seed=3))
        path = folder / f"phantom-{number + 1}.dcm"
        write_phantom_dicom(film, path, SyntheticPatient(), datetime(2026, 1, 1 + number))
        paths.append(str(path))
    return paths


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with the code of its first administrator."""
    program = [str(Path(sys.executable).with_name("pneumoscore")), "serve", "--port", str(PORT)]
    places = ["--records", str(folder / "records.db"), "--store", str(folder / "films")]
    process = subprocess.Popen([*program, *places], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    found = re.search(r"Code: (\w+)", process.stderr.readline())
    assert found is not None
    return process, found[1]


def sign_in(page: Any, name: str) -> None:
    """Sign a person in."""
    page.goto(f"{URL}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{URL}/")


def draw(browser: Any, code: str, films: list[str]) -> None:
    """Walk through the pages and keep a picture of each."""
    size = {"width": 1280, "height": 960}

    def person() -> Any:
        return browser.new_context(viewport=size, color_scheme="dark").new_page()

    def keep(page: Any, name: str) -> None:
        page.wait_for_timeout(500)
        page.screenshot(path=str(PICTURES / f"site-{name}.png"))

    root = person()
    root.goto(f"{URL}/setup")
    root.fill("input[name=code]", code)
    root.fill("input[name=name]", "root")
    root.fill("input[name=password]", PASSWORD)
    root.click("main button")
    root.wait_for_url(f"{URL}/")
    root.set_input_files("#files", films)
    root.wait_for_function("() => document.querySelectorAll('tr[data-state=done]').length === 3")
    keep(root, "score")
    root.click("tr[data-state=done]:first-child a")
    root.wait_for_selector("canvas[data-shown=screen]")
    keep(root, "film")
    root.goto(f"{URL}/accounts")
    form = root.locator("form[action='/accounts']")
    form.locator("input[name=name]").fill("reader")
    form.locator("select[name=role]").select_option("reader")
    form.locator("input[name=password]").fill(PASSWORD)
    form.locator("button").click()
    root.goto(f"{URL}/studies")
    root.fill("input[name=name]", "Pilot of three phantoms")
    root.click("form[action='/studies'] button")
    root.fill("input[name=repeats]", "0")
    root.click("form[action$=options] button")
    root.check("label:has-text('reader (reader)') input")
    root.click("form[action$=readers] button")
    root.set_input_files("#films", films)
    root.wait_for_selector("li:has-text('F003')")
    keep(root, "study")
    root.click("form[action$=open] button")
    reader = person()
    sign_in(reader, "reader")
    reader.goto(f"{URL}/reading")
    reader.click("td a")
    reader.click("#begin")
    reader.wait_for_selector("#room[data-position='0'] canvas")
    reader.check("input[name=extent_right][value='2']")
    reader.check("input[name=opacity_right][value='1']")
    keep(reader, "read")


def wait_for_server(seconds: float = 120.0) -> None:
    """Return when the server takes connections: the code is printed a little before."""
    address = urlsplit(URL)
    ends = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((str(address.hostname), int(address.port or 80)), 1.0).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)


def main() -> None:
    """Draw all pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = phantoms(folder)
        process, code = serve(folder)
        try:
            wait_for_server()
            with sync_playwright() as runtime:
                chromium = runtime.chromium
                browser = chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
                draw(browser, code, films)
                browser.close()
        finally:
            process.terminate()
            process.wait(timeout=60)


if __name__ == "__main__":
    main()
