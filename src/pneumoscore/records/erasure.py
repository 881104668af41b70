"""A patient erased: from the records, from backups of them and from films that wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoscore.records.database import Records
from pneumoscore.records.erased_places import (
    erase_files,
    erase_in_copies,
    known_backups,
    reader_studies_of,
)
from pneumoscore.records.erased_rows import (
    erase_rows,
    forget_pages,
    names_of,
    naming,
    scalars,
    uids_of,
    words_of,
)
from pneumoscore.records.identity import find_patient, patient_name
from pneumoscore.records.reading import theirs
from pneumoscore.records.rows import actor_name, add_audit
from pneumoscore.records.stand_in import keyed_hash

__all__ = ["Erased", "erase_patient"]


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


def erase_patient(
    records: Records,
    patient: str,
    *,
    folders: Sequence[Path] = (),
    actor: str | None = None,
) -> Erased:
    """Erase a patient from the records, from backups of them, and from folders of films.

    An audit entry stays, with a keyed hash in place of the name.

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
        ids = scalars(connection, theirs(number))
        names = names_of(connection, ids)
        uids, backups = uids_of(connection, ids), known_backups(connection)
        reading = reader_studies_of(connection, names, uids)
        words = words_of(names, uids)
        counts = erase_rows(connection, ids, words)
        hashes = [keyed_hash(patient_name(key, issuer)) for key, issuer in names]
        details = {"patient": hashes, **counts}
        add_audit(connection, actor or actor_name(), "erase", details)
    forget_pages(records)
    places, unreached = erase_in_copies(records, backups, names, actor)
    files, unread = erase_files(folders, names, set(uids))
    if records.file is None:
        unreached.append(
            "the server's own backups and log: ask who runs it; deleted rows go with VACUUM"
        )
    unreached += [
        f"the name of the backup {name}, which the audit keeps: it names the patient"
        for name in backups
        if naming(words).search(name)
    ]
    unreached += reading
    unreached.append("films sent to the page: they are deleted there after its keep_hours")
    unreached.append("films where they were read, exports, pages and pictures: they are yours")
    return Erased(
        **counts, places=tuple(places), files=tuple(files), unreached=(*unread, *unreached)
    )
