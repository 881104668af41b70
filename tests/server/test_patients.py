"""Patients and the ward in the page: found, sorted, judged, corrected, and withheld."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pneumoscore.monitor.change.error_model import ErrorModel, write_error_model
from pneumoscore.records.corrections import merge_patients, split_patient
from pneumoscore.records.days import time_of_day
from pneumoscore.records.lookup import list_patients, patient_numbered
from pneumoscore.records.reading import read_audit, read_timeline
from pneumoscore.records.types import FilmRecord
from pneumoscore.records.writing import add_films
from pneumoscore.server.accounts import Role
from pneumoscore.server.reading.study import study_films
from pneumoscore.server.site import Site
from tests.fixtures.records import errors, film_record  # noqa: F401
from tests.server.test_films import done, send
from tests.server.test_reading import Room, peeks
from tests.server.test_sign_in import csrf_of

JPEG = b"\xff\xd8\xff a small picture"


@pytest.fixture(autouse=True)
def error_model(
    errors: ErrorModel,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path / "home"))
    write_error_model(errors)


def fill(site: Site) -> None:
    courses = {"MRN-up": [2, 5, 5.2], "MRN-down": [6, 3, 2.8], "MRN-flat": [4, 4.1], "MRN-one": [8]}
    films: list[FilmRecord] = []
    for patient, values in courses.items():
        for day, value in enumerate(values):
            flags = ("tilted",) if patient == "MRN-flat" else ()
            films.append(film_record(patient, day, value, flags=flags, thumbnail=JPEG))
    add_films(site.records, films, source="test")


def number_of(site: Site, patient: str) -> int:
    (entry,) = list_patients(site.records, patient)
    return entry.id


def act(client: TestClient, url: str, **form: object) -> Any:
    return client.post(url, data={"csrf": csrf_of(client), **form})


def order(text: str) -> list[str]:
    return re.findall(r">(MRN-\w+)</a>", text)


def test_the_ward_shows_the_most_pressing_first_and_what_is_asked_for(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    viewer = browser("viewer", Role.VIEWER)
    assert "No scores are recorded yet" in viewer.get("/ward").text
    assert viewer.get("/api/v1/ward").json() == []
    fill(site)
    page = viewer.get("/ward").text
    assert order(page) == ["MRN-up", "MRN-down", "MRN-flat", "MRN-one"]
    assert "against 1 film before the change" in page
    assert "Research use only" in page
    assert "<svg" in page
    assert order(viewer.get("/ward?only=worsening").text) == ["MRN-up"]
    assert order(viewer.get("/ward?flagged=true").text) == ["MRN-flat"]
    assert order(viewer.get("/ward?order=highest").text)[0] == "MRN-one"
    assert order(viewer.get("/ward?order=newest").text)[-1] == "MRN-one"
    assert "No patient is as you asked" in viewer.get("/ward?since=1").text
    assert viewer.get("/ward?since=yesterday").status_code == 422
    assert viewer.get("/api/v1/ward?scale=opacity").json()[0]["scale"] == "opacity"
    rows = viewer.get("/api/v1/ward").json()
    assert rows[0]["patient"] == "MRN-up"
    assert rows[0]["advice"]["word"] == "worsening"
    # Nothing that names a patient stands in an address.
    assert not re.findall(r'(?:href|src|action)="[^"]*MRN', page)


def test_what_is_new_is_seen_at_once(site: Site, browser: Callable[..., TestClient]) -> None:
    viewer = browser("viewer", Role.VIEWER)
    fill(site)
    assert order(viewer.get("/ward?only=worsening").text) == ["MRN-up"]
    add_films(site.records, [film_record("MRN-new", d, v) for d, v in ((0, 1), (1, 6), (2, 6))],
              source="listener")  # fmt: skip
    assert set(order(viewer.get("/ward?only=worsening").text)) == {"MRN-up", "MRN-new"}


def test_patients_are_found_by_their_number(site: Site, browser: Callable[..., TestClient]) -> None:
    viewer = browser("viewer", Role.VIEWER)
    assert "No patients are recorded yet" in viewer.get("/patients").text
    fill(site)
    add_films(site.records, [film_record("OLD_7", issuer="ST-MARY")], source="test")
    assert len(order(viewer.get("/patients").text)) == 4
    found = act(viewer, "/patients", number="rn-U")
    assert found.status_code == 200
    assert order(found.text) == ["MRN-up"]
    # % and _ are letters of a number, not signs of a pattern.
    assert "holds that" in act(viewer, "/patients", number="MRN%").text
    assert "OLD_7^^^ST-MARY" in act(viewer, "/patients", number="D_7").text
    merge_patients(site.records, "OLD_7", "MRN-one")
    assert order(act(viewer, "/patients", number="old_7").text) == ["MRN-one"]
    assert [item["patient"] for item in viewer.get("/api/v1/patients").json()].count("OLD_7") == 0


def test_a_patient_with_verdicts_and_their_reasons(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    viewer = browser("viewer", Role.VIEWER)
    fill(site)
    number = number_of(site, "MRN-up")
    page = viewer.get(f"/patients/{number}").text
    assert "worsening" in page
    assert "called: a step of +3." in page
    assert "Look at the films side by side" in page
    assert "detectable" in page
    assert f'src="/patients/{number}/timeline.svg"' in page
    assert page.count("/thumbnail") == 3
    chart = viewer.get(f"/patients/{number}/timeline.svg")
    assert chart.headers["content-type"] == "image/svg+xml"
    assert b"prefers-color-scheme: dark" in chart.content
    assert b"MRN-up" not in chart.content
    again = viewer.get(f"/patients/{number}/timeline.svg")
    assert again.content == chart.content
    form = viewer.get(f"/api/v1/patients/{number}").json()
    assert form["advice"]["word"] == "worsening"
    assert [film["value"] for film in form["scales"]["geographic_extent"]["films"]] == [2, 5, 5.2]
    film = read_timeline(site.records, "MRN-up").films[-1].id
    url = f"/api/v1/patients/{number}/films/{film}"
    assert viewer.get(f"{url}/thumbnail").content == JPEG
    assert viewer.get(f"{url}/view").status_code == 404
    other = read_timeline(site.records, "MRN-down").films[0].id
    assert viewer.get(f"/api/v1/patients/{number}/films/{other}/thumbnail").status_code == 404
    for nobody in (10**6, 2**62):
        assert viewer.get(f"/patients/{nobody}").status_code == 404
    assert viewer.get(f"/patients/{2**64}").status_code == 422


def test_a_film_that_is_still_there_is_shown_in_full(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    from pneumoscore.files import sha256_of

    viewer = browser("viewer", Role.VIEWER)
    kept, changed = tmp_path / "kept.dcm", tmp_path / "changed.dcm"
    kept.write_bytes(b"the film")
    changed.write_bytes(b"the film before")
    films = [
        film_record("MRN-a", day, file=str(path), file_sha256=sha256_of(path))
        for day, path in enumerate((kept, changed))
    ]
    add_films(site.records, films, source="test")
    changed.write_bytes(b"another film")
    number = number_of(site, "MRN-a")
    first, second = (film.id for film in read_timeline(site.records, "MRN-a").films)
    url = f"/api/v1/patients/{number}/films"
    view = viewer.get(f"{url}/{first}/view")
    assert view.status_code == 200
    assert len(view.content) == 8 + 2 * 40 * 30
    assert viewer.get(f"{url}/{first}/view?size=full").status_code == 200
    # A file whose bytes are others than those that were scored is not shown as the film.
    assert viewer.get(f"{url}/{second}/view").status_code == 404


def test_events_are_entered_corrected_and_taken_back_by_owners(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    owner, viewer = browser("owner", Role.OWNER), browser("viewer", Role.VIEWER)
    fill(site)
    number = number_of(site, "MRN-up")
    url = f"/patients/{number}/events"
    event = {"kind": "intubation", "at": "2026-01-02T09:30", "detail": " <b>size 8</b> "}
    assert act(viewer, url, **event).status_code == 403
    assert owner.post(url, data=event).status_code == 403  # no token of the page
    assert act(owner, url, **event).headers["location"] == f"/patients/{number}#events"
    page = viewer.get(f"/patients/{number}").text
    assert "&lt;b&gt;size 8&lt;/b&gt;" in page
    assert "events/change" not in page
    old = {"old_kind": "intubation", "old_at": "2026-01-02T09:30:00"}
    changed = act(owner, f"{url}/change", **old, kind="icu_admission", at="2026-01-02T10:00")
    assert changed.status_code == 303
    (now,) = read_timeline(site.records, "MRN-up").events
    assert (now.kind, now.at.hour) == ("icu_admission", 10)
    for wrong in (
        {"kind": "coffee", "at": "2026-01-02T09:30"},
        {"kind": "death", "at": "day 3"},
        {"kind": "death", "at": "0001-01-01T00:00"},
        {"kind": "death", "at": "soon"},
    ):
        answer = act(owner, url, **wrong)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
    # A correction that cannot be is none: the event stays as it was.
    gone = {"old_kind": "icu_admission", "old_at": "2026-01-02T10:00:00"}
    assert act(owner, f"{url}/change", **gone, kind="no", at="2026-01-03").status_code == 400
    assert act(owner, f"{url}/remove", **old).status_code == 400
    assert len(read_timeline(site.records, "MRN-up").events) == 1
    assert act(owner, f"{url}/remove", **gone).status_code == 303
    assert read_timeline(site.records, "MRN-up").events == ()
    said = [(entry.actor, entry.action) for entry in read_audit(site.records, "MRN-up")]
    assert said[-4:] == [
        ("owner", "event"),
        ("owner", "event removed"),
        ("owner", "event"),
        ("owner", "event removed"),
    ]


def test_a_page_is_of_the_patient_whose_row_it_names(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    owner = browser("owner", Role.OWNER)
    whole = "12345^^^ST-MARY"
    films = [
        film_record("12345", 0, 1.25, issuer="ST-MARY", film_uid="1.1"),
        film_record(whole, 1, 7.25, film_uid="1.2"),
    ]
    add_films(site.records, films, source="test")
    rows = {entry.issuer: entry.id for entry in list_patients(site.records)}
    url = f"/patients/{rows['ST-MARY']}"
    said = owner.get(f"/api/v1{url}").json()
    assert [film["uid"] for film in said["scales"]["geographic_extent"]["films"]] == ["1.1"]
    event = {"kind": "intubation", "at": "2026-01-02T09:30"}
    old = {"old_kind": event["kind"], "old_at": event["at"]}
    assert act(owner, f"{url}/events", **event).status_code == 303
    assert act(owner, f"{url}/events/change", **old, **event).status_code == 303
    assert read_timeline(site.records, rows[""]).events == ()
    assert len(read_timeline(site.records, rows["ST-MARY"]).events) == 1
    assert act(owner, f"{url}/events/remove", **old).status_code == 303
    assert read_timeline(site.records, rows["ST-MARY"]).events == ()


def test_a_patient_without_films_has_a_page(site: Site, browser: Callable[..., TestClient]) -> None:
    viewer = browser("viewer", Role.VIEWER)
    add_films(site.records, [film_record("MRN-a")], source="test")
    number = number_of(site, "MRN-a")
    split_patient(site.records, "MRN-a", ["s.MRN-a.0"], "MRN-b")
    page = viewer.get(f"/patients/{number}")
    assert page.status_code == 200
    assert "Films: 0" in page.text
    assert viewer.get(f"/patients/{number}/timeline.svg").status_code == 200
    assert act(viewer, "/patients", number="\0MRN-\0b").text.count("MRN-b") == 2


def test_patients_by_day(site: Site, browser: Callable[..., TestClient]) -> None:
    owner = browser("owner", Role.OWNER)
    films = [film_record("MRN-d", d, 3, taken_at=time_of_day(d), calendar=False) for d in (0, 2)]
    add_films(site.records, films, source="test")
    number = number_of(site, "MRN-d")
    assert act(owner, f"/patients/{number}/events", kind="proning", at="day 1").status_code == 303
    page = owner.get(f"/patients/{number}").text
    assert 'value="day 1"' in page
    entry = patient_numbered(site.records, number)
    assert entry is not None
    assert (entry.films, entry.calendar) == (2, False)


def test_who_reads_blinded_sees_nothing_of_the_patient_anywhere(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    room = Room(site, browser)
    viewer = browser("viewer", Role.VIEWER)
    (named,) = {film.patient for film in study_films(site.records, room.study)[:1]}
    film = study_films(site.records, room.study)[1]
    fill(site)
    add_films(
        site.records,
        [
            film_record(named, 0, 1),
            film_record("MRN-uid", 0, 2, film_uid=str(film.sop_instance_uid)),
            film_record("MRN-same", 0, 3, film_uid="9.9", file_sha256=film.sha256),
            film_record("MRN-pixels", 0, 3, film_uid="9.8", pixel_sha256=film.film_digest),
        ],
        source="listener",
    )
    patients = {named, "MRN-uid", "MRN-same", "MRN-pixels"}
    numbers = {name: number_of(site, name) for name in patients}
    room.act("open")
    for client, actor in ((room.owner, "owner"), (room.readers[0], "reader0")):
        shown = client.get("/ward")
        assert not patients & set(order(shown.text))
        assert "not shown" in shown.text
        assert not patients & {row["patient"] for row in client.get("/api/v1/ward").json()}
        listed = {row["patient"]: row["withheld"] for row in client.get("/api/v1/patients").json()}
        assert all(listed[name] for name in patients)
        assert not patients & set(order(client.get("/patients").text))
        for name, number in numbers.items():
            first = read_timeline(site.records, name).films[0].id
            for url in (
                f"/patients/{number}",
                f"/patients/{number}/timeline.svg",
                f"/api/v1/patients/{number}",
                f"/api/v1/patients/{number}/films/{first}/thumbnail",
                f"/api/v1/patients/{number}/films/{first}/view",
            ):
                assert client.get(url).status_code == 403, (name, url)
        assert (actor, "a patient of a blinded study") in peeks(site)
    assert act(room.owner, f"/patients/{numbers[named]}/events", kind="death", at="2026-01-02",
               ).status_code == 403  # fmt: skip
    assert patients <= set(order(viewer.get("/ward").text))
    # A film that is withheld from who sends it makes no patient of it.
    before = len(list_patients(site.records, limit=1000))
    send(room.readers[0], b"study film 3", "same bytes.dcm")
    done(room.readers[0], 1)
    assert len(list_patients(site.records, limit=1000)) == before
    room.act("lock", reason="end of the trial")
    assert not patients & set(order(room.owner.get("/ward").text))
    room.act("unblind")
    assert patients <= set(order(room.owner.get("/ward").text))


def test_films_scored_on_the_page_come_to_their_patients(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    viewer = browser("viewer", Role.VIEWER)
    assert send(viewer, b"film one", "one.dcm") == 202
    (film,) = done(viewer)
    assert film["recorded"] is True
    (entry,) = list_patients(site.records)
    assert entry.patient == film["metadata"]["patient_id"]  # type: ignore[index]
    assert order(viewer.get("/ward").text) == [entry.patient]
    assert f'href="/patients/{entry.id}"' in viewer.get(f"/films/{film['id']}").text
    (kept,) = read_timeline(site.records, entry.patient).films
    assert kept.file is None
    view = viewer.get(f"/api/v1/patients/{entry.id}/films/{kept.id}/view")
    assert view.status_code == 200
    # The same film again is the same film.
    send(viewer, b"film one", "again.dcm")
    assert [item["recorded"] for item in done(viewer, 2)] == [True, True]
    assert list_patients(site.records)[0].films == 1
    # Once the upload is deleted, the records keep its score and nothing of the film.
    for item in viewer.get("/api/v1/films").json():
        viewer.delete(f"/api/v1/films/{item['id']}", headers={"X-CSRF-Token": csrf_of(viewer)})
    assert viewer.get(f"/api/v1/patients/{entry.id}/films/{kept.id}/view").status_code == 404
    assert order(viewer.get("/ward").text) == [entry.patient]
