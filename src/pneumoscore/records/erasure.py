"""A patient given out, and a patient erased: from the records, backups and waiting films."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pneumoscore.errors import PneumoScoreError
from pneumoscore.files import PRIVATE, program_mark, write
from pneumoscore.records.database import Records
from pneumoscore.records.identity import find_patient, patient_name
from pneumoscore.records.reading import read_audit, read_models, read_timeline, theirs
from pneumoscore.records.rows import actor_name, add_audit, batched
from pneumoscore.records.schema import (
    audit,
    erasing,
    events,
    films,
    notes,
    patients,
    scores,
    studies,
    thumbnails,
)
from pneumoscore.settings import home_folder

__all__ = ["Erased", "erase_patient", "export_patient", "keyed_hash"]

_KEY_FILE = "erasure.key"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did.

    Attributes
    ----------
    films, scores, events, notes, thumbnails : int
        Rows that are gone from these records.
    places : tuple of str
        Backups and copies in which the patient was erased too.
    files : tuple of str
        Films that waited in the named folders and are deleted.
    unreached : tuple of str
        What may still hold the patient, and why it was not reached; one line each.
    """

    films: int
    scores: int
    events: int
    notes: int
    thumbnails: int
    places: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()


def export_patient(records: Records, patient: str, target: Path) -> int:
    """Write all that is recorded of a patient to a JSON file that only its owner can read.

    Parameters
    ----------
    records : Records
        Open.
    patient : str
        As `find_patient` takes it.
    target : Path
        The file.

    Returns
    -------
    int
        Films.

    Raises
    ------
    RecordsError
        If there is no such patient.
    """
    by_model = [
        read_timeline(records, patient, model_id=model.id, pictures=True)
        for model in read_models(records)
    ]
    timeline = by_model[-1] if by_model else read_timeline(records, patient)
    content = {
        "program": program_mark("patient export"),
        "patient": timeline.patient,
        "issuer": timeline.issuer,
        "sex": timeline.sex,
        "birth_date": timeline.birth_date,
        "films": [_film_content(film) for film in timeline.films],
        "scores": [
            {
                "model": asdict(item.model.identity),
                "films": {
                    film.uid: [asdict(value) for value in film.values.values()]
                    for film in item.films
                    if film.values
                },
                "thumbnails": {
                    film.uid: base64.b64encode(film.thumbnail).decode("ascii")
                    for film in item.films
                    if film.thumbnail is not None
                },
            }
            for item in by_model
            if item.model is not None
        ],
        "events": [asdict(item) for item in timeline.events],
        "notes": [asdict(item) for item in timeline.notes],
        "audit": [asdict(item) for item in read_audit(records, patient, limit=1_000_000)],
    }
    data = json.dumps(content, indent=1, default=_json_value, ensure_ascii=False)
    write(target, f"{data}\n".encode(), private=True)
    return len(timeline.films)


def _film_content(film: Any) -> dict[str, object]:
    names = ("uid", "study_uid", "taken_at", "utc_offset_minutes", "view", "file", "twins")
    return {name: getattr(film, name) for name in names}


def _json_value(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} in an export")


def keyed_hash(name: str, folder: Path | None = None) -> str:
    """Return what stands for an erased patient in the audit.

    Only who has the key, a file beside the records' settings that only its owner can read, can
    say whether it is a given patient's.

    Parameters
    ----------
    name : str
        As `patient_name` writes it.
    folder : Path, optional
        Where the key is; by default the folder of the user's program data.
    """
    file = (folder or home_folder()) / _KEY_FILE
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    return hmac.new(file.read_bytes(), name.encode("utf-8"), hashlib.sha256).hexdigest()


def erase_patient(
    records: Records,
    patient: str,
    *,
    folders: Sequence[Path] = (),
    actor: str | None = None,
) -> Erased:
    """Erase a patient from the records, from backups of them, and from folders of films.

    Scores, notes and audit entries, which nothing else can change, pass by a path of their
    own: a row in the table ``erasing`` that lives within the transaction only. An audit entry
    stays, with a keyed hash in place of the name.

    Parameters
    ----------
    records : Records
        Open.
    patient : str
        As `find_patient` takes it; identifiers that were merged into it go too.
    folders : sequence of Path, optional
        Where films wait (inbox, outbox): DICOM files of the patient are deleted.
    actor : str, optional
        Who; by default the user of this process.

    Returns
    -------
    Erased
        What is gone, and what could not be reached.

    Raises
    ------
    RecordsError
        If there is no such patient; nothing is erased then.
    """
    with records.writing() as connection:
        number = find_patient(connection, patient).id
        ids = _scalars(connection, theirs(number))
        names = _names(connection, ids)
        uids, known_backups = _film_uids(connection, ids), _backups(connection)
        counts = _erase_rows(connection, ids, [*(key for pair in names for key in pair), *uids])
        hashes = [keyed_hash(patient_name(key, issuer)) for key, issuer in names]
        details = {"patient": hashes, **counts}
        add_audit(connection, actor or actor_name(), "erase", details)
    _forget_pages(records)
    places, unreached = _erase_in_copies(records, known_backups, names, actor)
    files, unread = _erase_files(folders, names, set(uids))
    if records.file is None:
        unreached.append(
            "the server's own backups and log: ask who runs it; deleted rows go with VACUUM"
        )
    unreached.append("films where they were read, exports, pages and pictures: they are yours")
    return Erased(
        **counts, places=tuple(places), files=tuple(files), unreached=(*unread, *unreached)
    )


def _scalars(connection: Connection, statement: Any) -> list[Any]:
    return list(connection.execute(statement).scalars())


def _names(connection: Connection, ids: Sequence[int]) -> list[tuple[str, str]]:
    rows = connection.execute(select(patients.c.key, patients.c.issuer).where(_in(patients, ids)))
    return [(row.key, row.issuer) for row in rows]


def _in(table: Any, ids: Sequence[int]) -> Any:
    column = table.c.id if table is patients else table.c.patient_id
    return column.in_(list(ids))


def _film_uids(connection: Connection, ids: Sequence[int]) -> list[str]:
    of_films = _scalars(connection, select(films.c.uid).where(_in(films, ids)))
    return of_films + _scalars(connection, select(studies.c.uid).where(_in(studies, ids)))


def _erase_rows(connection: Connection, ids: Sequence[int], words: Sequence[str]) -> dict[str, int]:
    connection.execute(insert(erasing), {"id": 1})
    film_ids = _scalars(connection, select(films.c.id).where(_in(films, ids)))
    counts = {"films": len(film_ids), "scores": 0, "thumbnails": 0}
    for group in batched(film_ids, 500):
        connection.execute(
            update(films).where(films.c.duplicate_of.in_(group)).values(duplicate_of=None)
        )
        for table in (scores, thumbnails):
            gone = connection.execute(delete(table).where(table.c.film_id.in_(group)))
            counts[table.name] += gone.rowcount
        connection.execute(delete(notes).where(notes.c.film_id.in_(group)))
    for table in (notes, events):
        counts[table.name] = connection.execute(delete(table).where(_in(table, ids))).rowcount
    connection.execute(delete(films).where(_in(films, ids)))
    connection.execute(delete(studies).where(_in(studies, ids)))
    connection.execute(update(patients).where(_in(patients, ids)).values(merged_into=None))
    connection.execute(delete(patients).where(_in(patients, ids)))
    _blank_audit(connection, ids, words)
    connection.execute(delete(erasing))
    return counts


def _blank_audit(connection: Connection, ids: Sequence[int], words: Sequence[str]) -> None:
    """Take names out of what the audit says: who acted and when stays."""
    wanted = set(ids)
    # As JSON writes them: inside the entry.
    told = [json.dumps(word, ensure_ascii=False)[1:-1] for word in words if word]
    for row in connection.execute(select(audit.c.id, audit.c.patient_id, audit.c.details)).all():
        if row.patient_id in wanted or any(word in row.details for word in told):
            blank = update(audit).where(audit.c.id == row.id)
            connection.execute(blank.values(details='{"erased": true}', patient_id=None))


def _forget_pages(records: Records) -> None:
    """Overwrite what SQLite keeps of deleted rows in free pages and in its log."""
    if records.file is None:
        return
    with records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        if raw is not None:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _backups(connection: Connection) -> list[str]:
    rows = connection.execute(select(audit.c.details).where(audit.c.action == "backup"))
    return list(dict.fromkeys(json.loads(row.details).get("file", "") for row in rows))


def _erase_in_copies(
    records: Records, backups: Iterable[str], names: Sequence[tuple[str, str]], actor: str | None
) -> tuple[list[str], list[str]]:
    """Erase the patient in backups and in the copies that migration and restore keep."""
    copies = [Path(name) for name in backups if name]
    if records.file is not None:
        copies += sorted(records.file.parent.glob(f"{records.file.name}.version-*"))
        copies += [records.file.with_name(f"{records.file.name}.replaced")]
    places, unreached = [], []
    for copy in dict.fromkeys(copies):
        if copy.suffix in (".lock",) or copy.name.endswith(("-wal", "-shm")):
            continue
        if not copy.is_file():
            if str(copy) in backups:
                unreached.append(f"the backup {copy}: it is not there")
            continue
        try:
            if _erase_in(copy, names, actor):
                places.append(str(copy))
        except (PneumoScoreError, OSError) as error:
            unreached.append(f"the backup {copy}: {error}")
    return places, unreached


def _erase_in(copy: Path, names: Sequence[tuple[str, str]], actor: str | None) -> bool:
    reached = False
    before = set(copy.parent.glob(f"{copy.name}.version-*"))
    with Records.open(copy, create=False) as other:
        for key, issuer in names:
            with other.writing() as connection:
                named = (patients.c.key == key) & (patients.c.issuer == issuer)
                found = connection.execute(select(patients.c.id).where(named)).scalar_one_or_none()
                if found is None:
                    continue
                ids = _scalars(connection, theirs(found))
                uids = _film_uids(connection, ids)
                counts = _erase_rows(connection, ids, [key, issuer, *uids])
                details = {"patient": [keyed_hash(patient_name(key, issuer))], **counts}
                add_audit(connection, actor or actor_name(), "erase", details)
                reached = True
        _forget_pages(other)
        with other.engine.connect() as connection:
            raw = connection.connection.driver_connection
            if raw is not None:  # a backup is one file
                raw.execute("PRAGMA journal_mode = DELETE").fetchall()
    # An older copy was migrated, and the copy kept of it holds the patient too.
    for made in set(copy.parent.glob(f"{copy.name}.version-*")) - before:
        made.unlink()
    for ending in ("-wal", "-shm", ".lock"):
        copy.with_name(copy.name + ending).unlink(missing_ok=True)
    return reached


def _erase_files(
    folders: Sequence[Path], names: Sequence[tuple[str, str]], uids: set[str]
) -> tuple[list[str], list[str]]:
    from pneumoscore.radiograph.read import read_radiograph

    deleted, unread = [], []
    wanted = set(names)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            try:
                said = read_radiograph(path).metadata
            except (PneumoScoreError, OSError) as error:
                unread.append(f"{path}: {error}")
                continue
            who = (said.patient_id or "", said.patient_id_issuer or "")
            if who in wanted or said.sop_instance_uid in uids:
                path.unlink()
                deleted.append(str(path))
    return deleted, unread
