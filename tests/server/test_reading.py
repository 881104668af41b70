"""A whole study, and every try to peek."""

import csv
import io
import zipfile
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from pneumoscore.records.reading import read_audit
from pneumoscore.server.accounts import Role, account_named
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.sample_size import Assumptions, plan_precision
from pneumoscore.server.reading.scores import Answer
from pneumoscore.server.reading.steps import set_options
from pneumoscore.server.reading.study import find_study, study_films
from pneumoscore.server.site import Site
from tests.server.test_films import done, send
from tests.server.test_sign_in import csrf_of

FILMS = 12
PARTS = ("/scores.csv", "/map", "/report.pdf", "/report.dcm", "/capture.dcm")


class Room:
    """An owner, three readers and a viewer around one study."""

    def __init__(self, site: Site, browser: Callable[..., TestClient]) -> None:
        self.site = site
        self.owner = browser("owner", Role.OWNER)
        self.readers = [browser(f"reader{n}", Role.READER) for n in range(3)]
        self.other = browser("other", Role.OWNER)
        form = {"csrf": csrf_of(self.owner), "name": "Pilot"}
        self.study = self.owner.post("/studies", data=form).headers["location"].split("/")[-1]
        for n in range(FILMS):
            status = send(
                self.owner,
                f"study film {n}".encode(),
                f"f{n}.dcm",
                f"/api/v1/studies/{self.study}/films",
            )
            assert status == 201
        options = StudyOptions(repeats=0.25, distance=3, sitting=5, instructions="Read well")
        set_options(site.records, self.study, options, actor="test")
        numbers = [account_named(site.records, f"reader{n}").id for n in range(3)]
        self.act("readers", reader=numbers)

    def act(self, step: str, **form: object) -> int:
        data = {"csrf": csrf_of(self.owner), **form}
        return self.owner.post(f"/studies/{self.study}/{step}", data=data).status_code

    def answer(self, reader: TestClient, position: int, **changes: object) -> tuple[int, object]:
        scores = {"extent_right": 2, "extent_left": 1, "opacity_right": 1, "opacity_left": 1}
        answer = reader.put(
            f"/api/v1/reading/{self.study}/items/{position}",
            json={**scores, "seconds": 3.5, **changes},
            headers={"X-CSRF-Token": csrf_of(reader)},
        )
        return answer.status_code, answer.json()

    def end_sitting(self, reader: TestClient) -> dict[str, object]:
        headers = {"X-CSRF-Token": csrf_of(reader)}
        url = f"/api/v1/reading/{self.study}/end-sitting"
        return reader.post(url, headers=headers).json()  # type: ignore[no-any-return]


@pytest.fixture
def room(site: Site, browser: Callable[..., TestClient]) -> Room:
    return Room(site, browser)


def test_a_study_from_its_draft_to_the_export(room: Room) -> None:
    assert room.act("open") == 303
    for number, reader in enumerate(room.readers):
        for position in range(FILMS + 3):
            status, progress = room.answer(
                reader, position, extent_right=(position + number) % 4 + 1, comment="=1+1"
            )
            assert status == 200, progress
        assert progress["next"] is None
        assert room.end_sitting(reader)["done"] is True
    assert room.act("lock") == 303
    page = room.owner.get(f"/studies/{room.study}").text
    assert "ICC(A,1)" in page
    # Every reader counts: second readings are told by the plan, never by a reader's name.
    assert all(f"reader-{n}</td>" in page for n in (1, 2, 3))
    assert "place of a reader" not in page
    assert room.act("unblind") == 303
    assert "place of a reader" in room.owner.get(f"/studies/{room.study}").text
    archive = zipfile.ZipFile(
        io.BytesIO(room.owner.get(f"/studies/{room.study}/export.zip").content)
    )
    ratings = list(csv.DictReader(io.StringIO(archive.read("ratings.csv").decode())))
    assert len(ratings) == 3 * FILMS * 2
    assert {row["reader"] for row in ratings} == {"reader-1", "reader-2", "reader-3"}
    twice = list(csv.DictReader(io.StringIO(archive.read("repeats-reader-2.csv").decode())))
    assert len(twice) == 3 * 2 * 2
    assert {row["reader"] for row in twice} == {"reader-2", "reader-2-2"}
    labels = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
    assert len(labels) == FILMS
    text = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert "MRN-" not in text
    assert "f0.dcm" not in text
    assert "'=1+1" in text
    actions = [entry.action for entry in read_audit(room.site.records, limit=1000)]
    assert actions.count("study_unblinded") == 1
    assert actions.count("reading_finished") == 3


def test_a_reader_sees_his_own_next_item_and_nothing_else(room: Room) -> None:
    room.act("open")
    reader, url = room.readers[0], f"/api/v1/reading/{room.study}"
    assert reader.get(f"{url}/items/1").status_code == 409
    first = reader.get(f"{url}/items/0").json()
    assert set(first) == {"position", "views", "taken_at", "answer"}
    assert first["taken_at"] == [None]
    assert room.answer(reader, 3)[0] == 409
    for position in range(6):
        assert room.answer(reader, position)[0] == 200
    assert reader.get(f"{url}/progress").json()["break_due"] is True
    assert room.answer(reader, 2, extent_right=4)[0] == 200
    assert reader.get(f"{url}/items/2").json()["answer"]["extent_right"] == 4
    room.end_sitting(reader)
    assert reader.get(f"{url}/items/2").status_code == 409
    assert room.answer(reader, 2)[0] == 409
    assert room.answer(reader, 6)[0] == 200


def test_nothing_that_a_browser_gets_names_a_film_twice(room: Room) -> None:
    room.act("open")
    reader, url = room.readers[0], f"/api/v1/reading/{room.study}"
    films = {film.id for film in study_films(room.site.records, room.study)}
    seen: list[str] = []
    pictures: list[bytes] = []
    for position in range(FILMS + 3):
        answer = reader.get(f"{url}/items/{position}")
        assert not any(film in answer.text for film in films)
        seen += answer.json()["views"]
        view = reader.get(seen[-1])
        assert view.status_code == 200
        pictures.append(view.content)
        assert room.answer(reader, position)[0] == 200
    assert len(set(seen)) == FILMS + 3
    assert len(set(pictures)) == FILMS
    assert not any(film in address for film in films for address in seen)
    assert reader.get(f"{url}/items/0/films/1/view").status_code == 404
    # Of a sitting that has ended, and of films that come later, there is no view.
    room.end_sitting(reader)
    assert reader.get(seen[0]).status_code == 409


def test_example_films_alone_are_seen_by_name(room: Room) -> None:
    address = f"/api/v1/studies/{room.study}/films?example=true"
    assert send(room.owner, b"an example film", "e.dcm", address) == 201
    room.act("open")
    reader, url = room.readers[0], f"/api/v1/reading/{room.study}/examples"
    by_kind = {film.example: film.id for film in study_films(room.site.records, room.study)}
    assert f"{url}/{by_kind[True]}/view" in reader.get(f"/reading/{room.study}").text
    assert reader.get(f"{url}/{by_kind[True]}/view").status_code == 200
    assert reader.get(f"{url}/{by_kind[False]}/view").status_code == 404


def test_every_try_to_peek_is_refused(room: Room) -> None:
    film = str(room.owner.get(f"/studies/{room.study}").text.split("/films/")[1].split("/")[0])
    # Before it is open, nobody reads and the model's score of a study's film is no upload.
    assert room.readers[0].get(f"/reading/{room.study}").status_code == 404
    room.act("open")
    room.answer(room.readers[0], 0, extent_right=4)
    study = f"/studies/{room.study}"
    reading = f"/api/v1/reading/{room.study}"
    for client in (room.other, room.readers[1], room.owner):
        assert client.get(f"{study}/export.zip").status_code in (400, 403, 404)
        assert client.get(f"/api/v1/films/{film}").status_code == 404
        assert client.get(f"/films/{film}").status_code == 404
    for client in (room.other, room.owner):
        assert client.get(f"{reading}/items/0").status_code == 404
        assert client.get(f"{reading}/progress").status_code == 404
        assert client.get(f"{reading}/items/0/films/0/view").status_code == 404
        assert client.get(f"{reading}/examples/{film}/view").status_code == 404
        assert client.get(f"/reading/{room.study}").status_code == 404
    assert room.other.get(study).status_code == 404
    assert room.readers[1].get(f"{reading}/items/0").json()["answer"] is None
    page = room.owner.get(study).text
    assert "ICC" not in page
    assert "extent_right" not in page
    assert room.act("unblind") == 400
    assert room.act("lock") == 400  # the readers have not finished and no reason is given


def peeks(site: Site) -> list[tuple[str, str]]:
    return [
        (entry.actor, str(entry.details["what"]))
        for entry in read_audit(site.records, limit=1000)
        if entry.action == "peek_refused"
    ]


def test_every_refused_try_stands_in_the_audit(room: Room) -> None:
    room.act("open")
    study, reader = room.study, room.readers[0]
    film = str(room.owner.get(f"/studies/{study}").text.split("F001")[0])
    assert film
    tries = [
        (reader, f"/studies/{study}/export.zip", "reader0", "role or scope"),
        (reader, f"/api/v1/reading/{study}/items/5", "reader0", "an item that is over"),
        (room.other, f"/studies/{study}", "other", "a study of somebody else"),
        (room.other, f"/studies/{study}/export.zip", "other", "a study of somebody else"),
        (room.owner, f"/api/v1/reading/{study}/items/0", "owner", "the reading of a study of"),
        (room.owner, f"/studies/{study}/export.zip", "owner", "scores of a study that is not"),
        (reader, "/api/v1/films/" + "ab" * 16, "reader0", "a film of somebody else"),
    ]
    for client, url, actor, words in tries:
        assert client.get(url).status_code in (400, 403, 404, 409), url
        found = peeks(room.site)
        assert any(who == actor and what.startswith(words) for who, what in found), (url, found)
    assert room.act("unblind") == 400
    assert ("owner", "unblinding of a study before its time") in peeks(room.site)
    # The same try again fills no audit.
    count = len(peeks(room.site))
    for client, url, _, _ in tries:
        client.get(url)
    assert len(peeks(room.site)) == count


def test_what_exists_and_what_is_guessed_are_refused_alike(room: Room) -> None:
    room.act("open")
    send(room.owner, b"another film", "another.dcm")
    theirs = done(room.owner)[0]["id"]
    for real, guessed in (
        (f"/studies/{room.study}", "/studies/0123456789abcdef"),
        (f"/api/v1/reading/{room.study}/progress", "/api/v1/reading/0123456789abcdef/progress"),
        (f"/api/v1/films/{theirs}", f"/api/v1/films/{'0' * 32}"),
    ):
        answers = [room.other.get(url) for url in (real, guessed)]
        assert answers[0].status_code == answers[1].status_code == 404
        assert answers[0].content == answers[1].content
    said = [what for who, what in peeks(room.site) if who == "other"]
    # Both are written, in the same words: neither answer takes longer for being true.
    assert all(said.count(what) == 2 for what in said)
    assert len(said) == 6


def test_nobody_fills_the_audit_with_guesses(room: Room) -> None:
    for number in range(80):
        room.other.get(f"/api/v1/films/{number:032x}")
    said = [what for who, what in peeks(room.site) if who == "other"]
    assert len(said) == 61
    assert said[-1] == "more tries than are listed, for an hour"


def test_the_model_stays_hidden_wherever_the_film_turns_up(room: Room) -> None:
    room.act("open")
    for client in (room.readers[0], room.owner):
        send(client, b"study film 3", "same bytes.dcm")
        send(client, b"study film 3\n", "same pixels.png")
        send(client, b"another film", "another.dcm")
        films = {str(film["name"]): film for film in done(client, 3)}
        for name in ("same bytes.dcm", "same pixels.png"):
            assert films[name]["state"] == "withheld"
            assert "score" not in films[name]
            number = films[name]["id"]
            assert client.get(f"/films/{number}").status_code == 403
            for path in (
                "/scores.csv",
                "/map",
                "/view",
                "/report.pdf",
                "/report.dcm",
                "/capture.dcm",
            ):
                assert client.get(f"/api/v1/films/{number}{path}").status_code == 403
        assert "score" in films["another.dcm"]
    # Who has no part in the study is not bound by it.
    send(room.other, b"study film 3", "same bytes.dcm")
    assert "score" in done(room.other)[0]
    room.act("lock", reason="end of the trial")
    assert room.readers[0].get("/api/v1/films").json()[0]["state"] in ("withheld", "done")
    room.act("unblind")
    assert all(film["state"] == "done" for film in room.readers[0].get("/api/v1/films").json())


def test_each_study_has_an_order_of_its_own(room: Room) -> None:
    form = {"csrf": csrf_of(room.owner), "name": "Second"}
    second = room.owner.post("/studies", data=form).headers["location"].split("/")[-1]

    def seed_of(study: str) -> int:
        found = find_study(room.site.records, study)
        assert found is not None
        return found.options.seed

    first, drawn = seed_of(room.study), seed_of(second)
    assert first != drawn
    # What the owner changes leaves the seed as it was drawn.
    assert room.act("options", repeats="20") == 303
    assert seed_of(room.study) == first


def test_nothing_changes_after_the_opening(room: Room) -> None:
    room.act("open")
    assert room.act("options", repeats="0") == 400
    assert room.act("readers") == 400
    assert send(room.owner, b"late", "l.dcm", f"/api/v1/studies/{room.study}/films") == 409
    assert room.act("open") == 400


def test_the_same_pixels_come_once(room: Room) -> None:
    url = f"/api/v1/studies/{room.study}/films"
    assert send(room.owner, b"study film 3\n", "copy.png", url) == 409
    assert send(room.owner, b"bad", "notes.txt", url) == 409


@pytest.mark.parametrize(
    ("answer", "pair", "match"),
    [
        (Answer(1, 1, 1, 1, seconds=1.0), False, None),
        (Answer(change=-1), True, None),
        (Answer(cannot_assess="rotated"), False, None),
        (Answer(1, 1, 1, None), False, "opacity left"),
        (Answer(5, 1, 1, 1), False, "extent right"),
        (Answer(0, 1, 1, 1), False, "both 0"),
        (Answer(1, 1, 1, 1, change=1), False, "single film"),
        (Answer(1, 1, 1, 1), True, "no answer to the pair"),
        (Answer(cannot_assess=" "), False, "no reason"),
        (Answer(1, 1, 1, 1, cannot_assess="dark"), False, "not both"),
        (Answer(1, 1, 1, 1, seconds=float("nan")), False, "seconds"),
    ],
)
def test_an_answer_is_whole_or_refused(answer: Answer, pair: bool, match: str | None) -> None:
    if match is None:
        answer.check(pair=pair)
        return
    with pytest.raises(ReadingError, match=match):
        answer.check(pair=pair)


def test_more_films_and_readers_tell_more() -> None:
    planned = plan_precision((30, 120), (2, 4), Assumptions(), repeats=60)
    by_size = {(item.films, item.readers): item for item in planned}
    assert by_size[120, 2].icc_width < by_size[30, 2].icc_width
    assert by_size[120, 2].limits_width == pytest.approx(by_size[30, 2].limits_width / 2, rel=0.15)
    # Two-way random effects: 2.4^2 / (2.4^2 + 0.3^2 + 0.55^2).
    assert by_size[120, 4].icc == pytest.approx(0.936, abs=0.02)
