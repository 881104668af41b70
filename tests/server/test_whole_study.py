"""A whole study through the browser: three readers, thirty films, no peek, a refitted model."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from pneumoscore.phantom import (
    LungDisease,
    PhantomSpec,
    SyntheticPatient,
    render_phantom,
    write_phantom_dicom,
)
from pneumoscore.records.database import Records
from pneumoscore.records.lookup import list_patients
from pneumoscore.records.reading import read_audit
from pneumoscore.records.site_schema import accounts, reader_items, reader_study_films

pytest.importorskip("playwright.sync_api")
from tests.server.test_browser import (
    PASSWORD,
    Served,
    barriers,
    chromium,  # noqa: F401
    make_page,
    served,  # noqa: F401
    sign_in,
)

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.timeout(900)]

FILMS = 30
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
PROGRAM = str(Path(sys.executable).with_name("pneumoscore"))


def draw(folder: Path) -> dict[str, float]:
    """Draw thirty films of 27 patients, three of whom have two; return each one's severity."""
    severity: dict[str, float] = {}
    for seed in range(3):
        clear = PhantomSpec(seed=seed, size=256)
        ill = replace(clear, right=LungDisease(0.8, 0.7), left=LungDisease(0.7, 0.7))
        films = [render_phantom(spec) for spec in (clear, ill)]
        for place, share in enumerate(SHARES):
            number = seed * len(SHARES) + place
            blend = (1.0 - share) * films[0].pixels + share * films[1].pixels
            film = replace(films[1], pixels=np.asarray(blend, dtype=np.float32))
            # The second film of each seed's first patient comes a day later.
            patient = f"PHANTOM-{seed:02d}{max(0, place - 1):02d}"
            name = f"film-{number:02d}.dcm"
            at = datetime(2026, 1, 1) + timedelta(days=place)
            write_phantom_dicom(
                film, folder / name, SyntheticPatient(patient_id=patient), at, number + 1
            )
            severity[name] = share
    return severity


class Person:
    """A signed-in program: what a reader could do beside the pages."""

    def __init__(self, served: Served, name: str) -> None:  # noqa: F811
        self.client = httpx2.Client(base_url=served.url, timeout=120.0)
        self.name = name
        form = {"name": name, "password": PASSWORD}
        assert self.client.post("/login", data=form).status_code == 303
        page = self.client.get("/account").text
        self.csrf = re.search(r'name="csrf" content="([^"]+)"', page)[1]  # type: ignore[index]

    def get(self, url: str) -> httpx2.Response:
        return self.client.get(url, headers={"Accept": "application/json"})

    def ask(self, method: str, url: str, **options: Any) -> httpx2.Response:
        headers = {"X-CSRF-Token": self.csrf, **options.pop("headers", {})}
        return self.client.request(method, url, headers=headers, **options)

    def send(self, data: bytes, name: str) -> None:
        answer = self.ask("POST", "/api/v1/films", content=data, headers={"X-Film-Name": name})
        assert answer.status_code == 202, answer.text

    def films(self, count: int) -> dict[str, dict[str, Any]]:
        for _ in range(600):
            found = {film["name"]: film for film in self.get("/api/v1/films").json()}
            if len(found) >= count and all(film["state"] != "waiting" for film in found.values()):
                return found
            import time

            time.sleep(0.2)
        raise AssertionError(found)


def answer_for(share: float, reader: int) -> dict[str, int]:
    """Return what a reader says of a film of this severity; the readers differ a little."""
    extent = min(4, round(4 * share + (0.3 if reader == 2 else 0.0)))
    opacity = 0 if extent == 0 else min(3, 1 + round(2 * share))
    return {
        "extent_right": extent,
        "extent_left": max(0, extent - (reader == 1 and extent > 1)),
        "opacity_right": opacity,
        "opacity_left": opacity,
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, float]]]:
    folder = tmp_path_factory.mktemp("films")
    return folder, draw(folder)


def items_of(records: Records, study: str, name: str) -> list[tuple[str, str | None]]:
    """Return the films' names in a reader's order: what no page tells."""
    with records.reading() as connection:
        names = {
            row.id: row.name
            for row in connection.execute(
                select(reader_study_films).where(reader_study_films.c.study_id == study)
            )
        }
        rows = connection.execute(
            select(reader_items)
            .join(accounts, accounts.c.id == reader_items.c.account_id)
            .where(reader_items.c.study_id == study, accounts.c.name == name)
            .order_by(reader_items.c.position)
        )
        return [(names[row.film_id], names.get(row.other_film_id)) for row in rows]


def test_a_whole_study(
    served: Served,  # noqa: F811
    chromium: Any,  # noqa: F811
    drawn: tuple[Path, dict[str, float]],
    tmp_path: Path,
) -> None:
    folder, severity = drawn
    root = make_page(chromium)
    root.goto(f"{served.url}/setup")
    root.fill("input[name=code]", served.code)
    root.fill("input[name=name]", "root")
    root.fill("input[name=password]", PASSWORD)
    root.click("main button")
    root.wait_for_url(f"{served.url}/")
    root.goto(f"{served.url}/accounts")
    people = {"ada": "owner", "ben": "reader", "cem": "reader", "dot": "reader", "eve": "owner"}
    for name, role in people.items():
        form = root.locator("form[action='/accounts']")
        form.locator("input[name=name]").fill(name)
        form.locator("select[name=role]").select_option(role)
        form.locator("input[name=password]").fill(PASSWORD)
        form.locator("button").click()
        root.wait_for_selector(f"th:text-is('{name}')")

    # The owner makes the study.
    owner = make_page(chromium)
    sign_in(owner, served, "ada")
    owner.goto(f"{served.url}/studies")
    owner.fill("input[name=name]", "Thirty phantoms")
    owner.click("form[action='/studies'] button")
    owner.wait_for_selector("#films")
    study = owner.url.rsplit("/", 1)[1]
    owner.fill("textarea[name=instructions]", "Score each lung by the steps in view.")
    owner.fill("input[name=repeats]", "10")
    owner.fill("input[name=distance]", "2")
    owner.check("input[name=pairs]")
    owner.fill("input[name=reversed_pairs]", "100")
    owner.click("form[action$=options] button")
    for name in ("ben", "cem", "dot"):
        owner.check(f"label:has-text('{name}') input")
    owner.click("form[action$=readers] button")
    owner.set_input_files("#films", [str(folder / name) for name in severity])
    owner.wait_for_selector(f"li:has-text('F{FILMS:03d}')", timeout=600_000)
    owner.click("form[action$=open] button")
    owner.wait_for_selector("form[action$=lock]")

    with Records.open(served.folder / "records.db") as records:
        # The films also come to the records, as a listener would bring them.
        chosen = [str(folder / f"film-{number:02d}.dcm") for number in (2, 3)]
        done = subprocess.run(
            [PROGRAM, "patient", "import", "--records", str(served.folder / "records.db"), *chosen],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        everyone = {name: Person(served, name) for name in people}
        peek(served, records, study, folder, everyone)
        read_by_keyboard(chromium, served, records, study, severity)
        for place, name in enumerate(("cem", "dot"), start=1):
            read_by_program(everyone[name], records, study, severity, place)
        hand_over(owner, served, study, everyone["ada"], tmp_path)
        actions = [entry.action for entry in read_audit(records, limit=5000)]
        assert actions.count("study_unblinded") == 1
        assert actions.count("reading_finished") == 3
    assert [*root.problems, *owner.problems] == []


def peek(
    served: Served,  # noqa: F811
    records: Records,
    study: str,
    folder: Path,
    people: dict[str, Person],
) -> None:
    """Try every way to a score that nobody may see yet."""
    with records.reading() as connection:
        film = connection.execute(
            select(reader_study_films.c.id).where(reader_study_films.c.name == "film-02.dcm")
        ).scalar_one()
    patient = list_patients(records, "PHANTOM-0001")[0].id
    reading, mine = f"/api/v1/reading/{study}", f"/studies/{study}"
    tries = [
        ("ben", f"{reading}/items/7", "an item that is over, or not begun"),
        ("ben", mine, "role or scope"),
        ("ben", f"{mine}/export.zip", "role or scope"),
        ("ben", f"/api/v1/films/{film}", "a film of somebody else, or none"),
        ("ben", f"/patients/{patient}", "a patient of a blinded study"),
        ("ben", f"/api/v1/patients/{patient}", "a patient of a blinded study"),
        ("ada", f"{mine}/export.zip", "scores of a study that is not locked"),
        ("ada", f"{mine}/films.zip", "scores of a study that is not locked"),
        ("ada", f"{reading}/items/0", "the reading of a study of others, or none"),
        ("ada", f"/patients/{patient}/timeline.svg", "a patient of a blinded study"),
        ("eve", mine, "a study of somebody else, or none"),
        ("eve", f"{mine}/export.zip", "a study of somebody else, or none"),
        ("ben", f"{reading}/items/7/films/0/view", "an item that is over, or not begun"),
        ("ben", f"{reading}/examples/{film}/view", "a film that is no example of a study"),
        ("eve", f"{reading}/items/0/films/0/view", "the reading of a study of others, or none"),
        ("eve", f"/studies/{'0' * 16}", "a study of somebody else, or none"),
    ]
    for name, url, words in tries:
        answer = people[name].get(url)
        assert answer.status_code in (400, 403, 404, 409), (name, url, answer.status_code)
        said = [
            entry.details["what"]
            for entry in read_audit(records, limit=5000)
            if (entry.actor, entry.action) == (name, "peek_refused")
        ]
        assert words in said, (name, url, said)
    # What is there and what is guessed cannot be told apart by the answer.
    real, guessed = (people["eve"].get(f"/studies/{number}") for number in (study, "0" * 16))
    assert (real.status_code, real.content) == (guessed.status_code, guessed.content)
    # Nor by the film under another name, format, or with its pixels changed a little.
    pixels = np.asarray(Image.open(io.BytesIO(png_of(people["ben"], study))))
    turned = np.ascontiguousarray(65535 - pixels[:, ::-1])
    turned[0, 0] ^= 1
    for person in (people["ben"], people["ada"]):
        person.send((folder / "film-02.dcm").read_bytes(), "same-bytes.dcm")
        for name, picture in (("same.png", pixels), ("turned.png", turned)):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            person.send(stream.getvalue(), name)
        for name, found in person.films(3).items():
            assert found["state"] == "withheld", (name, found)
            assert "score" not in found
            assert person.get(f"/api/v1/films/{found['id']}/view").status_code == 403
        assert not [row for row in person.get("/api/v1/ward").json() if row["id"] == patient]
        listed = person.get("/api/v1/patients").json()
        assert [row["withheld"] for row in listed if row["id"] == patient] == [True]
        # The stream of news carries no word of any film.
        with person.client.stream("GET", "/events") as news:
            assert next(news.iter_lines()) == ": listening"
    # Who has no part in the study is not bound by it.
    assert people["eve"].get(f"/api/v1/patients/{patient}").status_code == 200


def png_of(person: Person, study: str) -> bytes:
    """Return what a reader can make of the film on his screen."""
    item = person.get(f"/api/v1/reading/{study}/items/0").json()
    view = person.get(f"{item['views'][0]}?size=full").content
    rows, columns = np.frombuffer(view[:8], "<u4")
    stream = io.BytesIO()
    Image.fromarray(np.frombuffer(view, "<u2", offset=8).reshape(rows, columns)).save(stream, "PNG")
    return stream.getvalue()


def read_by_keyboard(
    chromium: Any,  # noqa: F811
    served: Served,  # noqa: F811
    records: Records,
    study: str,
    severity: dict[str, float],
) -> None:
    """Read everything as a person at the keyboard does, with one break."""
    page = make_page(chromium)
    sign_in(page, served, "ben")
    page.goto(f"{served.url}/reading")
    page.click("td a")
    page.click("#begin")
    items = items_of(records, study, "ben")
    assert len(items) == FILMS + 3 + 3 + 3
    shown = set()
    for position, (film, other) in enumerate(items):
        page.wait_for_selector(f"#room[data-position='{position}'] canvas")
        if other is None:
            for row, value in answer_for(severity[film], 0).items():
                page.focus(f"input[name={row}]")
                page.keyboard.press(str(value))
        else:
            page.focus("input[name=change][value='0']")
            page.keyboard.press("Space")
        if other is not None and "pair" not in shown:
            shown.add("pair")
            assert barriers(page) == []
        page.keyboard.press("Enter")
        if position == 24:
            page.wait_for_selector("#room[data-position='25'] canvas")
            page.wait_for_function("() => document.getElementById('said').textContent.length > 10")
            page.click("#pause")
    page.wait_for_selector("#room[data-position=done]")
    page.click("#pause")
    page.wait_for_selector("#room[data-position=over]")
    assert page.problems == []


def read_by_program(
    person: Person, records: Records, study: str, severity: dict[str, float], place: int
) -> None:
    """Read everything by the API."""
    url = f"/api/v1/reading/{study}"
    for position, (film, other) in enumerate(items_of(records, study, person.name)):
        given: dict[str, Any] = {"seconds": 4.0}
        given |= {"change": 0} if other else answer_for(severity[film], place)
        answer = person.ask("PUT", f"{url}/items/{position}", json=given)
        assert answer.status_code == 200, answer.text
    assert person.ask("POST", f"{url}/end-sitting").json()["done"] is True


def hand_over(
    owner: Any,
    served: Served,  # noqa: F811
    study: str,
    ada: Person,
    folder: Path,
) -> None:
    """Lock, look at the agreement, unblind, take the export, refit."""
    owner.goto(f"{served.url}/studies/{study}")
    owner.click("form[action$=lock] button")
    owner.wait_for_selector("form[action$=unblind]")
    assert "ICC(A,1)" in owner.inner_text("main")
    for number in (1, 2, 3):
        assert owner.locator(f"main td:text-is('reader-{number}')").count() > 0
    assert "place of a reader" not in owner.inner_text("main")
    owner.click("form[action$=unblind] button")
    owner.wait_for_selector("text=place of a reader")
    assert barriers(owner) == []
    with zipfile.ZipFile(io.BytesIO(ada.get(f"/studies/{study}/export.zip").content)) as archive:
        archive.extract("ratings.csv", folder)
        archive.extract("repeats-reader-1.csv", folder)
    with zipfile.ZipFile(io.BytesIO(ada.get(f"/studies/{study}/films.zip").content)) as archive:
        archive.extractall(folder)
        text = archive.read("labels.csv").decode()
    labels = list(csv.DictReader(io.StringIO(text)))
    assert len(labels) == len(list((folder / "films").iterdir())) == FILMS
    assert "PHANTOM" not in text
    for table, out in (("ratings.csv", "agreement"), ("repeats-reader-1.csv", "again")):
        agreement = subprocess.run(
            [PROGRAM, "study", "agreement", "--ratings", table, "-o", out, "--repeats", "100"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert agreement.returncode == 0, agreement.stderr
        assert "ICC(A,1)" in agreement.stdout
    fit = subprocess.run(
        [PROGRAM, "model", "fit", "--labels", "labels.csv", "--images", "films", "--out", "ours"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert fit.returncode == 0, fit.stderr
    assert "30 films of 27 patients" in fit.stdout
    model = json.loads((folder / "ours" / "model.json").read_text())
    assert {head["scale"] for head in model["heads"]} == {"geographic_extent", "opacity"}
