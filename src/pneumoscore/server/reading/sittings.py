"""A reader at work: the next item, an answer, a step back, a break, the end."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from pneumoscore.records.database import Records
from pneumoscore.records.rows import add_audit
from pneumoscore.records.site_schema import (
    reader_items,
    reader_ratings,
    reader_sittings,
    reader_studies,
    reader_study_films,
    reader_study_readers,
)
from pneumoscore.server.accounts import Account
from pneumoscore.server.clock import now
from pneumoscore.server.errors import ReadingError
from pneumoscore.server.reading.plan import StudyOptions
from pneumoscore.server.reading.scores import Answer
from pneumoscore.server.reading.study import StudyState

__all__ = ["ReadingItem", "ReadingProgress", "answer_item", "end_sitting", "item_at", "progress_of"]

_FIELDS = (
    "extent_right",
    "extent_left",
    "opacity_right",
    "opacity_left",
    "change",
    "cannot_assess",
    "comment",
    "seconds",
)


@dataclass(frozen=True, slots=True)
class ReadingItem:
    """What one reader sees at one place of his order. Nothing here tells repeats from first reads.

    Attributes
    ----------
    id : str
        Of the item.
    position : int
        From 0.
    films : tuple of str
        One film, or the two of a pair, left first.
    taken_at : tuple of datetime or None
        Dates of the films; None where the study hides them, and always for pairs.
    answer : Answer or None
        The reader's own last answer.
    final : bool
        Whether the sitting it was answered in has ended.
    """

    id: str
    position: int
    films: tuple[str, ...]
    taken_at: tuple[datetime | None, ...]
    answer: Answer | None
    final: bool


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """How far a reader is.

    Attributes
    ----------
    answered, count : int
        Items answered, and all.
    first_open : int
        Position of the first item of the sitting at hand: he cannot go back beyond it.
    next : int or None
        Position of the first item without an answer; None when all have one.
    break_due : bool
        Whether the sitting has reached the study's length.
    done : bool
        Whether he has finished for good.
    """

    answered: int
    count: int
    first_open: int
    next: int | None
    break_due: bool
    done: bool


def _my_study(connection: Connection, study: str, reader: Account) -> tuple[StudyOptions, Any]:
    row = connection.execute(
        select(reader_studies, reader_study_readers.c.done_at)
        .join(reader_study_readers, reader_study_readers.c.study_id == reader_studies.c.id)
        .where(reader_studies.c.id == study, reader_study_readers.c.account_id == reader.id)
    ).first()
    if row is None:
        raise ReadingError("there is no such study", "a study that names this reader")
    return StudyOptions.from_json(row.options), row


def _require_open(row: Any) -> None:
    if row.state != StudyState.OPEN.value:
        raise ReadingError(f"the study {row.name!r} is {row.state}", "an open study")
    if row.done_at is not None:
        raise ReadingError("this reader has finished", "no way back after the end")


def _last_answers(connection: Connection, study: str, reader: Account) -> dict[str, Any]:
    """Return each item's last rating with the end of its sitting, by item."""
    rows = connection.execute(
        select(reader_ratings, reader_sittings.c.locked_at)
        .join(reader_items, reader_items.c.id == reader_ratings.c.item_id)
        .join(reader_sittings, reader_sittings.c.id == reader_ratings.c.sitting_id)
        .where(reader_items.c.study_id == study, reader_items.c.account_id == reader.id)
        .order_by(reader_ratings.c.number)
    )
    return {row.item_id: row for row in rows}


def _items(connection: Connection, study: str, reader: Account) -> list[Any]:
    return list(
        connection.execute(
            select(reader_items)
            .where(reader_items.c.study_id == study, reader_items.c.account_id == reader.id)
            .order_by(reader_items.c.position)
        )
    )


def progress_of(records: Records, study: str, reader: Account) -> ReadingProgress:
    """Return how far a reader is.

    Raises
    ------
    ReadingError
        If the study does not name this reader.
    """
    with records.reading() as connection:
        options, row = _my_study(connection, study, reader)
        items = _items(connection, study, reader)
        return _progress(items, _last_answers(connection, study, reader), options, row)


def _progress(
    items: list[Any], answers: dict[str, Any], options: StudyOptions, row: Any
) -> ReadingProgress:
    final = [item.position for item in items if _is_final(answers.get(item.id))]
    missing = [item.position for item in items if item.id not in answers]
    in_sitting = len(answers) - len(final)
    return ReadingProgress(
        answered=len(answers),
        count=len(items),
        first_open=max(final) + 1 if final else 0,
        next=missing[0] if missing else None,
        break_due=bool(options.sitting) and in_sitting >= options.sitting,
        done=row.done_at is not None,
    )


def _is_final(answer: Any) -> bool:
    return answer is not None and answer.locked_at is not None


def item_at(records: Records, study: str, reader: Account, position: int) -> ReadingItem:
    """Return the item at a position that the reader may see now.

    He may see the items of the sitting at hand and the next one; nothing before, nothing ahead.

    Raises
    ------
    ReadingError
        If he may not, or has finished, or the study is not open.
    """
    with records.reading() as connection:
        options, row = _my_study(connection, study, reader)
        _require_open(row)
        items = _items(connection, study, reader)
        answers = _last_answers(connection, study, reader)
        progress = _progress(items, answers, options, row)
        last = progress.count - 1 if progress.next is None else progress.next
        if not progress.first_open <= position <= last:
            raise ReadingError(
                f"item {position + 1} cannot be shown now",
                f"item {progress.first_open + 1} to {last + 1}",
            )
        item = items[position]
        films = tuple(number for number in (item.film_id, item.other_film_id) if number)
        shown = not options.hide_dates and len(films) == 1
        dates = _dates(connection, films) if shown else (None,) * len(films)
        given = answers.get(item.id)
        answer = None if given is None else Answer(**{n: getattr(given, n) for n in _FIELDS})
        return ReadingItem(item.id, position, films, dates, answer, _is_final(given))


def _dates(connection: Connection, films: tuple[str, ...]) -> tuple[datetime | None, ...]:
    found = {
        row.id: row.taken_at
        for row in connection.execute(
            select(reader_study_films).where(reader_study_films.c.id.in_(films))
        )
    }
    return tuple(found[number] for number in films)


def answer_item(
    records: Records, study: str, reader: Account, position: int, answer: Answer
) -> ReadingProgress:
    """Record an answer; it is on the disk when this returns.

    Raises
    ------
    ReadingError
        If the answer is not whole, or the item cannot be answered now.
    """
    with records.writing() as connection:
        options, row = _my_study(connection, study, reader)
        _require_open(row)
        items = _items(connection, study, reader)
        answers = _last_answers(connection, study, reader)
        progress = _progress(items, answers, options, row)
        last = progress.count - 1 if progress.next is None else progress.next
        if not progress.first_open <= position <= last:
            raise ReadingError(
                f"item {position + 1} cannot be answered now",
                f"item {progress.first_open + 1} to {last + 1}",
            )
        item = items[position]
        answer.check(pair=item.other_film_id is not None)
        earlier = select(func.coalesce(func.max(reader_ratings.c.number), 0)).where(
            reader_ratings.c.item_id == item.id
        )
        number = int(connection.execute(earlier).scalar_one())
        connection.execute(
            insert(reader_ratings),
            {
                "id": secrets.token_hex(8),
                "item_id": item.id,
                "sitting_id": _sitting(connection, study, reader),
                "number": number + 1,
                "at": now(),
                **asdict(answer),
            },
        )
        return _progress(items, _last_answers(connection, study, reader), options, row)


def _sitting(connection: Connection, study: str, reader: Account) -> str:
    """Return the reader's sitting at hand, begun here if there is none."""
    found = connection.execute(
        select(reader_sittings.c.id).where(
            reader_sittings.c.study_id == study,
            reader_sittings.c.account_id == reader.id,
            reader_sittings.c.locked_at.is_(None),
        )
    ).scalar()
    if found is not None:
        return str(found)
    number = secrets.token_hex(8)
    connection.execute(
        insert(reader_sittings),
        {
            "id": number,
            "study_id": study,
            "account_id": reader.id,
            "started_at": now(),
            "locked_at": None,
        },
    )
    return number


def end_sitting(records: Records, study: str, reader: Account) -> ReadingProgress:
    """Lock the sitting at hand; with the last item answered the reader has finished.

    Raises
    ------
    ReadingError
        If the study is not open or the reader has finished.
    """
    with records.writing() as connection:
        options, row = _my_study(connection, study, reader)
        _require_open(row)
        mine = (reader_sittings.c.study_id == study) & (reader_sittings.c.account_id == reader.id)
        connection.execute(
            update(reader_sittings)
            .where(mine, reader_sittings.c.locked_at.is_(None))
            .values(locked_at=now())
        )
        add_audit(connection, reader.name, "sitting_locked", {"study": study})
        items = _items(connection, study, reader)
        progress = _progress(items, _last_answers(connection, study, reader), options, row)
        if progress.next is None:
            connection.execute(
                update(reader_study_readers)
                .where(
                    reader_study_readers.c.study_id == study,
                    reader_study_readers.c.account_id == reader.id,
                )
                .values(done_at=now())
            )
            add_audit(connection, reader.name, "reading_finished", {"study": study})
            _, row = _my_study(connection, study, reader)
            progress = _progress(items, _last_answers(connection, study, reader), options, row)
        return progress
