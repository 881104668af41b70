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

from docs.make_site_pictures import FLAGS, URL, WAIT_MS, serve, sign_in
from pneumoscore.present.table import Table

FILMS = re.compile(r"/(view|map|thumbnail)(\?|$)")
PAINT = """() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"""


def paths_of(people: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is measured: account, path, and how it is called."""
    owner, reader = people["owner"], people["reader"]
    owner.goto(f"{URL}/studies")
    study = owner.get_attribute("main a[href^='/studies/']", "href")
    reader.goto(f"{URL}/reading")
    reading = reader.get_attribute("main a[href^='/reading/']", "href")
    return [
        ("viewer", "/", "/"),
        ("viewer", "/ward", "/ward"),
        ("viewer", "/patients", "/patients"),
        ("viewer", "/patients/1", "/patients/{patient}"),
        ("viewer", "/model", "/model"),
        ("viewer", "/account", "/account"),
        ("reader", "/reading", "/reading"),
        ("reader", reading, "/reading/{study}"),
        ("owner", "/studies", "/studies"),
        ("owner", study, "/studies/{study}"),
        ("owner", "/sample-size", "/sample-size"),
        ("administrator", "/accounts", "/accounts"),
        ("administrator", "/audit", "/audit"),
    ]


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
            for name, password in passwords.items():
                people[name] = browser.new_context().new_page()
                people[name].set_default_timeout(WAIT_MS)
                sign_in(people[name], name, password)
                # Routed requests pass by the cache: each opening is as the first.
                people[name].route("**/*", lambda route: route.continue_())
            for name, path, shown in paths_of(people):
                paint, size = measure(people[name], path, repeats)
                rows.append((shown, f"{paint:.0f}", f"{size / 1024:.0f}"))
            browser.close()
        finally:
            process.terminate()
            process.wait(timeout=120)
    header = ("page", "first paint, ms (median)", "KB without films")
    print(Table("", header, tuple(rows), f"{repeats} openings each.").markdown())


if __name__ == "__main__":
    main()
