"""How heavy the pages are and when they are first painted, on loopback, in Chromium.

Usage: python benchmarks/page_weight.py [--repeats 5]

Starts `pneumoscore demo --serve` with phantoms. Bytes are those of a page with its styles, modules
and charts, without what shows films; first paint is the browser's own first-contentful-paint.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.site_pages import NOBODY, site_pages
from docs.make_site_pictures import FLAGS, URL, WAIT_MS, serve, sign_in
from pneumoscore.present.table import Table

FILMS = re.compile(r"/(view|map|thumbnail)(\?|$)")
PAINT = """() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"""


def measure(page: Any, path: str, repeats: int) -> tuple[float, float]:
    """Return the median first paint in milliseconds, and bytes without films."""
    paints, sizes = [], []
    for _ in range(repeats):
        answers: list[Any] = []

        def keep(answer: Any, into: list[Any] = answers) -> None:
            into.append(answer)

        page.on("response", keep)
        page.goto(f"{URL}{path}", wait_until="load")
        page.wait_for_timeout(1500)
        page.remove_listener("response", keep)
        paints.append(float(page.evaluate(PAINT) or 0.0))
        seen = [answer for answer in answers if "/events" not in answer.url]
        sizes.append(sum(len(item.body()) for item in seen if not FILMS.search(item.url)))
    return statistics.median(paints), max(sizes)


def main() -> None:
    """Print the table."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as runtime:
        process, passwords = serve(Path(folder) / "look")
        try:
            browser = runtime.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
            people = {}
            for name in (*passwords, NOBODY):
                people[name] = browser.new_context().new_page()
                people[name].set_default_timeout(WAIT_MS)
                if name in passwords:
                    sign_in(people[name], name, passwords[name])
            people["viewer"].set_input_files(
                "#files", str(Path(folder) / "look" / "films" / "film-02.dcm")
            )
            people["viewer"].wait_for_selector("tr[data-state=done]")
            pages = site_pages(people, URL)
            for page in people.values():
                # Routed requests pass by the cache: each opening is as the first.
                page.route("**/*", lambda route: route.continue_())
            for each in pages:
                paint, size = measure(people[each.person], each.path, repeats)
                rows.append((f"`{each.end_point}`", f"{paint:.0f}", f"{size / 1024:.0f}"))
            browser.close()
        finally:
            process.terminate()
            process.wait(timeout=120)
    header = ("page", "first paint, ms (median)", "KB without films")
    print(Table("", header, tuple(rows), f"{repeats} openings each.").markdown())


if __name__ == "__main__":
    main()
