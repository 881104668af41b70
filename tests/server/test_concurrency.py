"""Many at once, on either database: each step happens once, and no answer is lost."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from starlette.testclient import TestClient

from pneumoscore.errors import PneumoScoreError
from pneumoscore.records.reading import read_audit
from pneumoscore.records.site_schema import reader_items, reader_ratings, sessions
from pneumoscore.server.accounts import Role, change_account, create_account, list_accounts
from pneumoscore.server.clock import now
from pneumoscore.server.openid.linking import account_for
from pneumoscore.server.openid.provider import Identity
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.scores import Answer
from pneumoscore.server.reading.sittings import answer_item, end_sitting, progress_of
from pneumoscore.server.reading.stages import lock_study, open_study
from pneumoscore.server.reading.steps import add_film, create_study, set_readers
from pneumoscore.server.reading.study import StudyFilm
from pneumoscore.server.sessions import open_session, session_of
from pneumoscore.server.site import Site

AT_ONCE = 8
ANSWER = Answer(1, 1, 1, 1, seconds=1.0)


def outcomes(calls: list[Callable[[], object]]) -> Counter[str]:
    """Call all at once; count what they did, ``done`` or the name of their error."""

    def told(call: Callable[[], object]) -> str:
        try:
            call()
        except PneumoScoreError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(told, calls))


def study_of(site: Site, films: int, readers: int) -> tuple[str, list[object]]:
    owner = create_account(site.records, "owner", Role.OWNER, None, actor="t")
    people = [
        create_account(site.records, f"reader{n}", Role.READER, None, actor="t")
        for n in range(readers)
    ]
    study = create_study(site.records, owner, "Pilot", StudyOptions(repeats=0.0))
    for n in range(films):
        number = f"{n:032x}"
        film = StudyFilm(number, "", f"{n}", f"p{n}", None, number, number, None, False, None)
        add_film(site.records, study, film, actor="t")
    set_readers(site.records, study, people, actor="t")
    return study, people


def test_a_name_and_a_person_have_one_account(site: Site) -> None:
    made = outcomes(
        [lambda: create_account(site.records, "ada", Role.VIEWER, None, actor="t")] * AT_ONCE
    )
    assert made == {"done": 1, "AccountError": AT_ONCE - 1}
    ada = Identity("https://id.example", "1", "ada", ())
    assert outcomes([lambda: account_for(site.records, ada, Role.READER)] * AT_ONCE) == {
        "done": AT_ONCE
    }
    assert [account.name for account in list_accounts(site.records)] == [
        "ada",
        "ada (id.example)",
    ]


def test_one_administrator_stays_though_all_are_taken_away_at_once(site: Site) -> None:
    people = [
        create_account(site.records, f"root{n}", Role.ADMINISTRATOR, None, actor="t")
        for n in range(AT_ONCE)
    ]
    told = outcomes(
        [
            lambda person=person: change_account(  # type: ignore[misc]
                site.records, person, actor="t", disabled=True
            )
            for person in people
        ]
    )
    assert told == {"done": AT_ONCE - 1, "AccountError": 1}
    assert sum(not account.disabled for account in list_accounts(site.records)) == 1


def test_sessions_end_at_once(site: Site) -> None:
    create_account(site.records, "root", Role.ADMINISTRATOR, None, actor="t")
    ada = create_account(site.records, "ada", Role.VIEWER, None, actor="t")
    secrets: list[str] = []
    lifetime, idle = site.options.session, site.options.idle
    opened = outcomes([lambda: secrets.append(open_session(site.records, ada, lifetime))] * AT_ONCE)
    assert opened == {"done": AT_ONCE}
    assert all(session_of(site.records, secret, idle) is not None for secret in secrets)
    assert outcomes(
        [lambda: change_account(site.records, ada, actor="t", role=Role.READER)] * 3
    ) == {"done": 3}
    assert all(session_of(site.records, secret, idle) is None for secret in secrets)
    with site.records.reading() as connection:
        assert connection.execute(select(sessions)).first() is None


def test_a_study_opens_once_and_its_answers_stand(site: Site) -> None:
    study, readers = study_of(site, films=6, readers=3)
    opened = outcomes([lambda: open_study(site.records, study, actor="t")] * AT_ONCE)
    assert opened == {"done": 1, "ReadingError": AT_ONCE - 1}
    with site.records.reading() as connection:
        assert len(connection.execute(select(reader_items)).all()) == 3 * 6

    # Each reader answers each film from two windows at once, while the owner tries to lock.
    begun = now()
    for position in range(6):
        calls: list[Callable[[], object]] = [
            lambda reader=reader, position=position: answer_item(  # type: ignore[misc]
                site.records, study, reader, position, ANSWER
            )
            for reader in readers
            for _ in range(2)
        ]
        calls.append(lambda: lock_study(site.records, study, actor="t"))
        assert outcomes(calls) == {"done": 6, "ReadingError": 1}
    with site.records.reading() as connection:
        rows = connection.execute(select(reader_ratings)).all()
    assert len(rows) == 3 * 6 * 2
    assert len({(row.item_id, row.number) for row in rows}) == len(rows)
    assert all(begun <= row.at <= now() for row in rows)

    # Readers finish and one answers once more at the same time: before the end, or refused.
    last = outcomes(
        [
            *(lambda reader=reader: end_sitting(site.records, study, reader) for reader in readers),  # type: ignore[misc]
            *[lambda: answer_item(site.records, study, readers[0], 5, ANSWER)] * 3,
        ]
    )
    assert last["done"] >= 3
    assert all(progress_of(site.records, study, reader).done for reader in readers)
    locked = outcomes([lambda: lock_study(site.records, study, actor="t")] * AT_ONCE)
    assert locked == {"done": 1, "ReadingError": AT_ONCE - 1}
    steps = Counter(entry.action for entry in read_audit(site.records))
    assert steps["study_opened"] == steps["study_locked"] == 1
    assert steps["reading_finished"] == 3


def test_many_browsers_sign_in_and_out_at_once(
    site: Site, browser: Callable[..., TestClient]
) -> None:
    clients = [browser(f"viewer{n}", Role.VIEWER) for n in range(4)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [pool.submit(client.get, "/api/v1/films") for client in clients for _ in range(10)]
        assert Counter(answer.result().status_code for answer in asked) == {200: 40}
