"""Where an erased patient is beside the records: backups, copies, waiting films, the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import Connection, or_, select

from pneumoscore.errors import PneumoScoreError
from pneumoscore.records.database import Records
from pneumoscore.records.erased_rows import (
    erase_rows,
    forget_pages,
    scalars,
    uids_of,
    words_of,
)
from pneumoscore.records.identity import patient_name
from pneumoscore.records.reading import theirs
from pneumoscore.records.rows import actor_name, add_audit
from pneumoscore.records.schema import audit, patients
from pneumoscore.records.site_schema import reader_studies, reader_study_films
from pneumoscore.records.stand_in import keyed_hash

__all__ = ["erase_files", "erase_in_copies", "known_backups", "reader_studies_of"]


def known_backups(connection: Connection) -> list[str]:
    """Return the files that `pneumoscore.records.backup.backup` wrote of these records."""
    rows = connection.execute(select(audit.c.details).where(audit.c.action == "backup"))
    return list(dict.fromkeys(json.loads(row.details).get("file", "") for row in rows))


def erase_in_copies(
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
                ids = scalars(connection, theirs(found))
                uids = uids_of(connection, ids)
                counts = erase_rows(connection, ids, words_of([(key, issuer)], uids))
                details = {"patient": [keyed_hash(patient_name(key, issuer))], **counts}
                add_audit(connection, actor or actor_name(), "erase", details)
                reached = True
        forget_pages(other)
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


def erase_files(
    folders: Sequence[Path], names: Sequence[tuple[str, str]], uids: set[str]
) -> tuple[list[str], list[str]]:
    """Delete the patient's films below folders; return them, and what could not be read."""
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


def reader_studies_of(
    connection: Connection, names: Sequence[tuple[str, str]], uids: Sequence[str]
) -> list[str]:
    """Say which reader studies of the page hold films of the patient; one line each."""
    films = reader_study_films
    found = connection.execute(
        select(reader_studies.c.name, films.c.patient, films.c.sop_instance_uid)
        .join_from(reader_studies, films)
        .where(
            or_(films.c.patient.in_([key for key, _ in names]), films.c.sop_instance_uid.in_(uids))
        )
    )
    counts = Counter(row.name for row in found)
    return [
        f"the reader study {name!r} holds {count} films of the patient; only a draft's can be "
        "dropped"
        for name, count in counts.items()
    ]
