"""Ward and patient page in a real browser: live, linked, readable without script, no barrier."""

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)

pytest.importorskip("playwright.sync_api")
from tests.server.test_browser import (
    PASSWORD,
    Served,
    barriers,
    chromium,  # noqa: F401
    make_page,
    served,  # noqa: F401
)

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.timeout(600)]

PROGRAM = str(Path(sys.executable).with_name("pneumoscore"))
START = datetime(2026, 1, 1, 8)
# What a person sees of a viewer: a point of the picture, and where it lies.
VIEW = """(side) => {
    const canvas = document.querySelector(`.side[data-side=${side}] canvas`);
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let place = 0; place < data.length; place += 404) sum = (sum * 31 + data[place]) % 1e9;
    return sum;
}"""


def film(folder: Path, patient: str, extent: float, day: int) -> str:
    lung = LungDisease(extent, 0.5 if extent else 0.0)
    path = folder / f"{patient}-{day}.dcm"
    spec = PhantomSpec(right=lung, left=lung, seed=3, size=256)
    write_phantom_dicom(
        render_phantom(spec),
        path,
        SyntheticPatient(patient_id=patient),
        START + timedelta(days=day),
        day + 1,
    )
    return str(path)


def test_patients_are_followed(
    served: Served,  # noqa: F811
    chromium: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    page = make_page(chromium)
    page.goto(f"{served.url}/setup")
    page.fill("input[name=code]", served.code)
    page.fill("input[name=name]", "root")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{served.url}/")
    page.goto(f"{served.url}/ward")
    assert "No scores are recorded yet" in page.inner_text("main")
    page.goto(f"{served.url}/")
    asked: list[bool] = []
    page.on(
        "request",
        lambda request: (
            asked.append("x-live" in request.headers)
            if (request.method, request.url) == ("GET", f"{served.url}/api/v1/films")
            else None
        ),
    )
    page.set_input_files("#files", [film(tmp_path, "PHANTOM-1", e, d) for d, e in
                                    enumerate((0.0, 0.7))])  # fmt: skip
    page.wait_for_function("() => document.querySelectorAll('tr[data-state=done]').length === 2")
    # Only what the page asks by itself, of what it asks, leaves the session as idle as it is.
    assert set(asked) == {True, False}

    # The ward is live: another program records a film, and its patient appears.
    page.goto(f"{served.url}/ward")
    page.wait_for_selector("#ward a:text-is('PHANTOM-1')")
    assert barriers(page) == []
    page.wait_for_function("() => document.getElementById('live').textContent.startsWith('Live')")
    done = subprocess.run(
        [PROGRAM, "patient", "import", "--records", str(served.folder / "records.db"),
         film(tmp_path, "PHANTOM-2", 0.7, 0)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page.wait_for_selector("#ward tr.new a:text-is('PHANTOM-2')")

    # Two films side by side: what is done to one is done to the other, as long as they are linked.
    page.click("#ward a:text-is('PHANTOM-1')")
    page.wait_for_selector(".side[data-side=earlier][data-shown=screen]")
    page.wait_for_selector(".side[data-side=later][data-shown=screen]")
    assert "PHANTOM" not in page.url
    page.wait_for_function("() => document.querySelector('img.timeline').naturalWidth > 0")
    assert barriers(page) == []
    before = [page.evaluate(VIEW, side) for side in ("earlier", "later")]
    page.focus(".side[data-side=later] canvas")
    for key in ("+", "i", "ArrowLeft"):
        page.keyboard.press(key)
        after = [page.evaluate(VIEW, side) for side in ("earlier", "later")]
        assert all(a != b for a, b in zip(after, before, strict=True)), key
        before = after
    page.uncheck("#linked")
    page.focus(".side[data-side=later] canvas")
    page.keyboard.press("i")
    after = [page.evaluate(VIEW, side) for side in ("earlier", "later")]
    assert after[0] == before[0]
    assert after[1] != before[1]

    # Events are entered and corrected by hand.
    form = page.locator("form[action$='/events']")
    form.locator("select").select_option("intubation")
    form.locator("input[name=at]").fill("2026-01-01T12:00")
    form.locator("button").click()
    page.click("summary:has-text('Correct')")
    form = page.locator("form[action$='/events/change']")
    form.locator("input[name=detail]").fill("tube 8.0")
    form.locator("button").click()
    page.wait_for_selector(".event:has-text('tube 8.0')")
    page.goto(f"{served.url}/patients")
    page.fill("input[name=number]", "tom-2")
    page.click("main button")
    page.wait_for_selector("th:has-text('PHANTOM-2')")
    assert page.locator("tbody tr").count() == 1
    assert page.url == f"{served.url}/patients"
    assert barriers(page) == []

    # Without script both are pages still; and who signs out elsewhere is told so here.
    plain = chromium.new_context(
        storage_state=page.context.storage_state(), java_script_enabled=False
    ).new_page()
    plain.goto(f"{served.url}/ward?order=highest")
    assert plain.locator("#ward tbody tr").count() == 2
    plain.click("#ward tbody a >> nth=0")
    assert "Events" in plain.inner_text("main")
    page.goto(f"{served.url}/ward")
    page.wait_for_function("() => document.getElementById('live').textContent.startsWith('Live')")
    plain.click("nav form button")
    page.wait_for_function("() => document.getElementById('live').textContent.includes('signed')")
    assert page.problems == []
