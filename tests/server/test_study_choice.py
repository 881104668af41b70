"""Films of the records into a draft: asked for, drawn, added as they were scored, and no peek."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pneumoscore.files import sha256_of
from pneumoscore.records.choice import FilmChoice, choose_films, recorded_views
from pneumoscore.records.corrections import merge_patients
from pneumoscore.records.days import time_of_day
from pneumoscore.records.lookup import list_patients
from pneumoscore.records.reading import read_audit, read_timeline
from pneumoscore.records.types import FilmRecord
from pneumoscore.records.writing import add_films
from pneumoscore.server.accounts import Role, account_named
from pneumoscore.server.reading.study import study_films
from pneumoscore.server.site import Site
from tests.fixtures.records import START, film_record
from tests.server.test_films import done, send
from tests.server.test_reading import Room, peeks
from tests.server.test_sign_in import csrf_of

VIEWS = ("AP", "PA", "AP Supine", None)


def on_disk(folder: Path, patient: str, day: int, **changes: Any) -> FilmRecord:
    """Write a film and return its record, which says where it was read."""
    path = folder / f"{patient}-{day}.dcm"
    path.write_bytes(f"film of {patient} on day {day}".encode())
    record = film_record(patient, day, file=str(path), file_sha256=sha256_of(path))
    return FilmRecord(**{**{name: getattr(record, name) for name in record.__slots__}, **changes})


class Owner:
    """An owner with a draft, asking by the API as the page does."""

    def __init__(self, client: TestClient, name: str = "Pilot") -> None:
        self.client = client
        form = {"csrf": csrf_of(client), "name": name}
        self.study = client.post("/studies", data=form).headers["location"].split("/")[-1]

    def ask(self, what: str, **body: Any) -> Any:
        return self.client.post(
            f"/api/v1/studies/{self.study}/{what}",
            json=body,
            headers={"X-CSRF-Token": csrf_of(self.client)},
        )

    def draw(self, **asked: Any) -> dict[str, Any]:
        answer = self.ask("draw", **asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def add(self, film: int, **more: Any) -> int:
        return int(self.ask("films/recorded", film=film, **more).status_code)

    def act(self, step: str, **form: Any) -> int:
        data = {"csrf": csrf_of(self.client), **form}
        return int(self.client.post(f"/studies/{self.study}/{step}", data=data).status_code)


def drawn_entries(site: Site) -> list[dict[str, Any]]:
    entries = read_audit(site.records, limit=1000)
    return [dict(entry.details) for entry in entries if entry.action == "study_films_drawn"]


def test_a_study_from_the_records(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER))
    assert "No films are recorded yet" in owner.client.get(f"/studies/{owner.study}").text
    films = [on_disk(tmp_path, f"MRN-{n}", day) for n in range(3) for day in range(3)]
    add_films(site.records, films, source="test")
    Path(str(films[0].file)).unlink()
    Path(str(films[1].file)).write_bytes(b"another film")
    page = owner.client.get(f"/studies/{owner.study}").text
    assert 'id="choice"' in page
    assert "MRN" not in page
    found = owner.draw(per_patient=2)
    told = {name: found[name] for name in found if name != "films"}
    assert told == {
        "matching": 9, "patients": 3, "drawn": 5, "drawn_patients": 3, "gone": 1, "changed": 1,
        "in_study": 0, "elsewhere": 0, "undated": 0, "ended": False,
    }  # fmt: skip
    assert [owner.add(film) for film in found["films"]] == [201] * 5
    kept = study_films(site.records, owner.study)
    records = {Path(str(film.file)).name: film for film in films}
    for film in kept:
        source = records[film.name]
        # Patient and time are those of the records, bytes those that were scored, scores sealed.
        assert (film.patient, film.taken_at) == (source.patient, source.taken_at)
        assert film.sop_instance_uid == source.film_uid
        assert site.films.path(film.id).read_bytes() == Path(str(source.file)).read_bytes()
        assert film.model_scores is not None
    # What the study holds is not drawn again, and not added again.
    again = owner.draw()
    assert (again["in_study"], again["matching"], again["drawn"]) == (5, 4, 2)
    assert owner.add(found["films"][0]) == 409
    # A film that went or changed since it was drawn is named, and nothing of it stays.
    gone, changed = again["films"]
    names = {film.id: film.file for n in range(3) for film in timeline_files(site, f"MRN-{n}")}
    Path(str(names[gone])).unlink()
    Path(str(names[changed])).write_bytes(b"changed")
    for film, words in ((gone, "not there any more"), (changed, "other bytes")):
        answer = owner.ask("films/recorded", film=film)
        assert answer.status_code == 409
        assert words in answer.json()["detail"]
    assert len(study_films(site.records, owner.study)) == 5
    assert list(site.films.begun()) == []
    # The audit has what was asked for and found.
    asked = drawn_entries(site)
    assert len(asked) == 2
    assert asked[0]["asked"] == {
        "since": None, "until": None, "views": [], "by_number": False,
        "per_patient": 2, "per_day": 0, "most": 60, "seed": 1,
    }  # fmt: skip
    assert asked[0]["found"] == told


def timeline_files(site: Site, patient: str) -> Iterator[Any]:
    from pneumoscore.records.lookup import find_recorded_film

    (entry,) = list_patients(site.records, patient)
    for film in read_timeline(site.records, patient).films:
        found = find_recorded_film(site.records, entry.id, film.id)
        assert found is not None
        yield found


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_every_draw_is_what_was_asked_for(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER))
    films = [
        on_disk(tmp_path, f"MRN-{n}", day, view=VIEWS[(n + day) % 4])
        for n in range(4)
        for day in range(5)
    ]
    lost = {film.film_uid for film in films[::6]}
    for film in films[::6]:
        Path(str(film.file)).unlink()
    add_films(site.records, films, source="test")
    days = st.none() | st.dates(date(2025, 12, 30), date(2026, 1, 8))
    number_of = {
        found.id: film
        for n in range(4)
        for found in timeline_files(site, f"MRN-{n}")
        for film in films
        if film.film_uid == found.uid
    }

    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        days,
        days,
        st.lists(st.sampled_from(["AP", "PA", "AP Supine", "", "LL"]), max_size=3),
        st.sampled_from(["", "mrn-", "-2", "MRN-3 ", "%", "\0"]),
        st.integers(0, 3),
        st.integers(1, 25),
        st.integers(0, 2**31),
    )
    def holds(
        since: date | None,
        until: date | None,
        views: list[str],
        number: str,
        per_patient: int,
        most: int,
        seed: int,
    ) -> None:
        asked = {
            "since": since and since.isoformat(), "until": until and until.isoformat(),
            "views": views, "number": number, "per_patient": per_patient, "most": most,
            "seed": seed,
        }  # fmt: skip
        found = owner.draw(**asked)
        part = number.replace("\0", "").strip().lower()
        fitting = {
            film.film_uid: film
            for film in films
            if (since is None or film.taken_at.date() >= since)
            and (until is None or film.taken_at.date() <= until)
            and (not views or (film.view or "") in views)
            and part in film.patient.lower()
        }
        assert found["matching"] == len(fitting)
        assert found["patients"] == len({film.patient for film in fitting.values()})
        drawn = [number_of[film] for film in found["films"]]
        uids = {film.film_uid for film in drawn}
        assert len(uids) == len(drawn) == found["drawn"] <= most
        assert uids <= set(fitting) - lost
        each = Counter(film.patient for film in drawn)
        assert found["drawn_patients"] == len(each)
        assert not per_patient or all(count <= per_patient for count in each.values())
        if len(drawn) < most:  # nothing was left that could have been drawn
            for uid in set(fitting) - lost - uids:
                assert per_patient
                assert each[fitting[uid].patient] == per_patient
            assert per_patient or found["gone"] == len(set(fitting) & lost)
        assert owner.draw(**asked) == found

    holds()


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_a_seed_draws_the_same_when_films_come_and_go(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER))
    add_films(site.records, [on_disk(tmp_path, f"MRN-{n}", 0) for n in range(12)], source="test")
    before = owner.draw(seed=7)["films"]
    assert before != owner.draw(seed=8)["films"]
    assert set(owner.draw(seed=7, most=5)["films"]) == set(before[:5])
    add_films(site.records, [on_disk(tmp_path, f"NEW-{n}", 0) for n in range(5)], source="test")
    after = owner.draw(seed=7)["films"]
    assert len(after) == 17
    assert [film for film in after if film in before] == before


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_films_of_a_patient_and_day_are_bounded(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER))
    films: list[FilmRecord] = []
    for patient in ("MRN-a", "MRN-b", "MRN-stay"):
        for number in range(6):
            at = START.replace(hour=8) + timedelta(days=number // 3, hours=number % 3)
            changes: dict[str, Any] = {"taken_at": at}
            if patient == "MRN-stay":
                stay = time_of_day(number // 3 + number % 3 / 10)
                changes = {"taken_at": stay, "calendar": False}
            films.append(on_disk(tmp_path, patient, number, **changes))
    add_films(site.records, films, source="test")
    rows = {film.id: film for film in choose_films(site.records, FilmChoice())[0]}
    for bound, drawn in ((1, 6), (2, 12), (0, 18)):
        found = owner.draw(per_day=bound)
        each = Counter((rows[film].patient_id, rows[film].day) for film in found["films"])
        assert set(each.values()) == {bound or 3}
        assert found["drawn"] == drawn
    assert owner.draw(per_day=1, per_patient=1)["drawn"] == 3
    # Of a day whose film is gone another one is drawn.
    one = owner.draw(per_day=1)["films"][0]
    file = rows[one].file
    assert file is not None
    Path(file).unlink()
    assert owner.draw(per_day=1)["drawn"] == 6


def test_whose_films_they_are_and_when_is_as_the_records_say(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER))
    by_day = {"taken_at": time_of_day(3.0), "calendar": False}
    films = [
        on_disk(tmp_path, "MRN-day", 3, **by_day),
        on_disk(tmp_path, "OLD", 1),
    ]
    one = {"pixel_sha256": "ab" * 32}
    films.append(on_disk(tmp_path, "MRN-kept", 2, **one))
    # A further file of one exposure is no further film.
    twin = on_disk(tmp_path, "MRN-kept", 2, film_uid="twin", **one)
    add_films(site.records, [*films, twin], source="test")
    merge_patients(site.records, "OLD", "MRN-kept")
    assert recorded_views(site.records) == ("AP",)
    dated = owner.draw(since="2026-01-01", until="2026-01-02")
    assert (dated["matching"], dated["undated"]) == (1, 1)
    merged = owner.draw(number="old")
    assert (merged["matching"], merged["patients"]) == (2, 1)
    for film in owner.draw()["films"]:
        assert owner.add(film) == 201
    kept = {film.name: film for film in study_films(site.records, owner.study)}
    assert kept["OLD-1.dcm"].patient == "MRN-kept"
    assert kept["OLD-1.dcm"].taken_at == START + timedelta(days=1)
    # A day that stands for no date is not shown as one.
    assert kept["MRN-day-3.dcm"].taken_at is None
    assert isinstance(kept["MRN-kept-2.dcm"].taken_at, datetime)


def test_an_upload_is_drawn_as_long_as_it_is_kept(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    owner, sender = Owner(browser("owner", Role.OWNER)), browser("viewer", Role.VIEWER)
    assert send(sender, b"sent by somebody", "Smith^John.dcm") == 202
    (upload,) = done(sender)
    (film,) = owner.draw()["films"]
    assert owner.add(film, example=True) == 201
    (kept,) = study_films(site.records, owner.study)
    assert kept.example
    # What its sender called it stays with him.
    assert kept.name == f"film {film} of the records"
    assert owner.act(f"films/{kept.id}/drop") == 303
    url = f"/api/v1/films/{upload['id']}"
    assert sender.delete(url, headers={"X-CSRF-Token": csrf_of(sender)}).status_code == 204
    assert (owner.draw()["drawn"], owner.draw()["gone"]) == (0, 1)
    assert owner.add(film) == 409


def test_no_peek_through_a_draw(
    site: Site, browser: Callable[..., TestClient], tmp_path: Path
) -> None:
    owner = Owner(browser("owner", Role.OWNER), "First")
    other = browser("other", Role.OWNER)
    people = [browser("reader", Role.READER), browser("viewer", Role.VIEWER)]
    add_films(site.records, [on_disk(tmp_path, f"MRN-{n}", 0) for n in range(4)], source="test")
    films = owner.draw()["films"]
    url = f"/api/v1/studies/{owner.study}"
    for client, status in ((other, 404), *((person, 403) for person in people)):
        for what, body in (("draw", {}), ("films/recorded", {"film": films[0]})):
            answer = client.post(
                f"{url}/{what}", json=body, headers={"X-CSRF-Token": csrf_of(client)}
            )
            assert answer.status_code == status
    assert ("other", "a study of somebody else, or none") in peeks(site)
    assert ("viewer", "role or scope") in peeks(site)
    # No score goes in or comes out.
    assert owner.ask("draw", score=3).status_code == 422
    assert "score" not in owner.ask("draw").text
    # No part of a number is kept.
    owner.draw(number="MRN-2")
    assert drawn_entries(site)[-1]["asked"]["by_number"] is True
    assert "MRN" not in str(drawn_entries(site))
    # Two of them are read blinded in another study: they are counted, and not to be had.
    assert [owner.add(film) for film in films[:2]] == [201, 201]
    second = Owner(owner.client, "Second")
    found = second.draw()
    assert (found["elsewhere"], sorted(found["films"])) == (2, sorted(films[2:]))
    assert second.add(films[0]) == 403
    assert ("owner", "a film that is read blinded elsewhere") in peeks(site)
    assert second.add(2**40) == 404
    # Who has no part in that study is not bound by it.
    third = Owner(other, "Third")
    assert third.draw()["elsewhere"] == 0
    # Patients of what was added are withheld from its owner.
    hidden = [row["withheld"] for row in owner.client.get("/api/v1/patients").json()]
    assert sum(hidden) == 2
    # After the opening nothing is drawn or added.
    reader = account_named(site.records, "reader")
    assert reader is not None
    assert owner.act("readers", reader=[reader.id]) == 303
    assert owner.act("options", repeats="0") == 303
    assert owner.act("open") == 303
    assert owner.ask("draw").status_code == 409
    assert owner.add(films[2]) == 409


def test_a_second_study_of_the_same_films_does_not_unblind_the_first(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    room = Room(site, browser)
    again = Owner(room.owner, "Again")
    room.act("open")
    url = f"/api/v1/studies/{again.study}/films"
    assert send(room.owner, b"study film 3\n", "the same pixels.png", url) == 201
    reader = account_named(site.records, "reader0")
    assert reader is not None
    for step, form in (
        ("readers", {"reader": [reader.id]}),
        ("options", {"repeats": "0"}),
        ("open", {}),
        ("lock", {"reason": "to see"}),
    ):
        assert again.act(step, **form) == 303
    assert again.act("unblind") == 400
    assert ("owner", "unblinding of a study before its time") in peeks(site)
    assert "State: locked" in room.owner.get(f"/studies/{again.study}").text
    # When nobody reads the film any more, either study is unblinded as its owner likes.
    assert room.act("lock", reason="end of the trial") == 303
    assert again.act("unblind") == 303
