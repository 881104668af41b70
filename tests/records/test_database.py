"""Records made, migrated, refused, and the server's errors in words."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import stat
import struct
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text
from sqlalchemy.exc import DatabaseError

import pneumoscore.records
import pneumoscore.records.site_schema
from pneumoscore.records.database import (
    RECORDS_VARIABLE,
    Records,
    records_url,
)
from pneumoscore.records.engine import open_engine
from pneumoscore.records.errors import RecordsError
from pneumoscore.records.migrate import upgrade
from pneumoscore.records.reading import read_timeline
from pneumoscore.records.schema import HEAD, METADATA, patients
from pneumoscore.records.types import FilmRecord
from pneumoscore.records.writing import add_films

MakeRecord = Callable[..., FilmRecord]
OLD_FILM = """
INSERT INTO audit VALUES (1, '2025-01-01 00:00:00', 'old', 'import', NULL, '{}');
INSERT INTO patients VALUES (1, 'p', 'F', true, NULL, 1);
INSERT INTO studies VALUES (1, 's', 1, false, false, 1);
INSERT INTO films VALUES (1, 'f', 1, 1, '2025-01-01 08:00:00', 'AP', NULL, 1);
INSERT INTO models VALUES (1, 'old', '1', 'b', 'c', 1);
INSERT INTO scores VALUES (1, 1, 'opacity', 2.5, 2.5, 1, 4, 0.9, 1, 1.5, '', 1);
"""


def old_records(place: str) -> None:
    """Make records of version 0001 with one film."""
    url = records_url(place)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).touch()
    made = Records(open_engine(url))
    with made.writing() as connection:
        upgrade(connection, "0001")
        for statement in OLD_FILM.strip().split(";\n"):
            connection.execute(text(statement.rstrip(";")))
    made.close()


def test_the_newest_version_is_what_this_program_reads() -> None:
    folder = Path(pneumoscore.records.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_migrations_make_the_tables_that_are_written_to(records: Records) -> None:
    with records.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_older_records_are_migrated(place: str, record: MakeRecord) -> None:
    old_records(place)
    with Records.open(place) as records:
        (film,) = read_timeline(records, "p").films
        assert film.values["opacity"].value == 2.5
        assert add_films(records, [record("p", 1)], source="test").films == 1
    file = records_url(place).database
    if records_url(place).get_backend_name() == "sqlite":
        copy = Path(f"{file}.version-0001")
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (
                "0001",
            )
            assert connection.execute("SELECT count(*) FROM scores").fetchone() == (1,)


def test_newer_records_are_refused_and_left_alone(place: str) -> None:
    with Records.open(place) as records, records.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(RecordsError, match=r"version 0099; expected version .* update PneumoScore"):
        Records.open(place)


def test_a_database_of_others_is_refused(place: str) -> None:
    url = records_url(place)
    from sqlalchemy import create_engine

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id integer)"))
    engine.dispose()
    with pytest.raises(RecordsError, match="other tables"):
        Records.open(place)


def test_errors_hide_what_rows_hold(records: Records, record: MakeRecord) -> None:
    add_films(records, [record("MRN-1", 1)], source="test")
    row = {"id": 7, "key": "MRN-1", "issuer": "", "calendar": True, "audit_id": 1}
    for broken in (row, {**row, "audit_id": None}):
        with pytest.raises(DatabaseError) as raised, records.writing() as connection:
            connection.execute(insert(patients), broken)
        assert "INSERT INTO patients" in str(raised.value)
        assert "MRN-1" not in "".join(traceback.format_exception(raised.value))


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "records.db"
    Records.open(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_files_that_are_no_records(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"This is no database. " * 300)
    with pytest.raises(RecordsError, match="no database"):
        Records.open(garbage)
    assert garbage.read_bytes().startswith(b"This is no database.")
    with pytest.raises(RecordsError, match="folder"):
        Records.open(tmp_path)
    with pytest.raises(RecordsError, match="no records at"):
        Records.open(tmp_path / "absent.db", create=False)
    assert not (tmp_path / "absent.db").exists()
    with pytest.raises(RecordsError, match="cannot be made"):
        Records.open(garbage / "below.db")


def test_a_damaged_page_is_named(tmp_path: Path, record: MakeRecord) -> None:
    file = tmp_path / "records.db"
    with Records.open(file) as records:
        add_films(records, [record(day=day) for day in range(200)], source="test")
    content = bytearray(file.read_bytes())
    content[4096 * 3 :] = bytes(byte ^ 0x5A for byte in content[4096 * 3 :])
    file.write_bytes(content)
    with pytest.raises(RecordsError, match=r"damaged.*restore"), Records.open(file) as records:
        read_timeline(records, "p")


def test_where_records_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PNEUMOSCORE_HOME", str(tmp_path))
    monkeypatch.delenv(RECORDS_VARIABLE, raising=False)
    assert records_url().database == str(tmp_path / "records.db")
    monkeypatch.setenv(RECORDS_VARIABLE, "postgres://me:secret@host/name")
    assert records_url().drivername == "postgresql+pg8000"
    for wrong in ("mysql://host/name", "postgresql://", "::://"):
        with pytest.raises(RecordsError):
            records_url(wrong)


@pytest.mark.postgresql
def test_a_server_that_does_not_answer_and_a_database_that_is_not_there(
    postgresql_server: str,
) -> None:
    with pytest.raises(RecordsError, match=r"do not exist.*createdb"):
        Records.open(f"{postgresql_server}/absent")
    with pytest.raises(RecordsError, match="do not answer") as caught:
        Records.open("postgresql://me:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)


@pytest.mark.postgresql
def test_connections_that_the_server_ended_are_made_anew(postgresql_url: str) -> None:
    ended = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid != pg_backend_pid()"
    )
    with Records.open(postgresql_url) as records, Records.open(postgresql_url) as other:
        for patience in (0.0, 0.5) * 5:
            # Two at once, so that the pool holds more than one.
            with records.reading(), records.reading():
                pass
            with other.reading() as connection:
                assert connection.scalar(ended) >= 2
            time.sleep(patience)
            with records.reading() as connection:
                assert connection.scalar(text("SELECT 1")) == 1


def test_a_server_that_hangs_up_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    # Closed with a reset, as by what stands before a server that is away.
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    peer.close()

        threading.Thread(target=hang_up, daemon=True).start()
        port = server.getsockname()[1]
        with pytest.raises(RecordsError, match="do not answer"):
            Records.open(f"postgresql://tests@127.0.0.1:{port}/none")
        server.shutdown(socket.SHUT_RDWR)
