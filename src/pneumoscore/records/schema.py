"""Tables of the records.

Identifiers are given out by the writer that holds the write lock, so that a copy of the rows is
a copy of the records on either database. `films` repeats the patient of its study, kept equal by
a foreign key that cascades: a patient's films in time order are then one walk of an index.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "HEAD",
    "METADATA",
    "TABLES",
    "audit",
    "erasing",
    "events",
    "films",
    "models",
    "notes",
    "patients",
    "scores",
    "studies",
    "thumbnails",
]

HEAD = "0007"
"""Version of the tables that this program reads and writes."""

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
_ID = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _ID, primary_key=True, autoincrement=False)


def _reference(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, _ID, ForeignKey(target), nullable=nullable)


audit = Table(
    "audit",
    METADATA,
    _id(),
    Column("at", DateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("patient_id", _ID),
    Column("details", Text, nullable=False),
    Index("ix_audit_patient_id", "patient_id"),
)
patients = Table(
    "patients",
    METADATA,
    _id(),
    Column("key", Text, nullable=False),
    Column("issuer", Text, nullable=False, server_default=""),
    Column("sex", Text),
    Column("birth_date", Date),
    Column("calendar", Boolean, nullable=False),
    _reference("merged_into", "patients.id", nullable=True),
    _reference("audit_id", "audit.id"),
    UniqueConstraint("key", "issuer"),
)
studies = Table(
    "studies",
    METADATA,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    _reference("patient_id", "patients.id"),
    Column("moved", Boolean, nullable=False),
    Column("redated", Boolean, nullable=False),
    _reference("audit_id", "audit.id"),
    UniqueConstraint("id", "patient_id"),
    Index("ix_studies_patient_id", "patient_id"),
)
films = Table(
    "films",
    METADATA,
    _id(),
    Column("uid", Text, nullable=False, unique=True),
    Column("study_id", _ID, nullable=False),
    Column("patient_id", _ID, nullable=False),
    Column("taken_at", DateTime, nullable=False),
    Column("view", Text),
    Column("file", Text),
    Column("utc_offset", Integer),
    Column("acquired_by", Text),
    Column("file_sha256", Text),
    Column("pixel_sha256", Text),
    _reference("duplicate_of", "films.id", nullable=True),
    _reference("audit_id", "audit.id"),
    ForeignKeyConstraint(
        ["study_id", "patient_id"], ["studies.id", "studies.patient_id"], onupdate="CASCADE"
    ),
    Index("ix_films_patient_id", "patient_id", "taken_at"),
    Index("ix_films_study_id", "study_id"),
    Index("ix_films_file_sha256", "file_sha256"),
    Index("ix_films_duplicate_of", "duplicate_of"),
)
models = Table(
    "models",
    METADATA,
    _id(),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("backbone", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("reading", Integer, nullable=False, server_default="0"),
    _reference("audit_id", "audit.id"),
)
scores = Table(
    "scores",
    METADATA,
    Column("film_id", _ID, ForeignKey("films.id"), primary_key=True, autoincrement=False),
    Column("model_id", _ID, ForeignKey("models.id"), primary_key=True, autoincrement=False),
    Column("scale", Text, primary_key=True),
    Column("value", Double, nullable=False),
    Column("raw", Double, nullable=False),
    Column("low", Double),
    Column("high", Double),
    Column("level", Double, nullable=False),
    Column("right", Double),
    Column("left", Double),
    Column("flags", Text, nullable=False),
    _reference("audit_id", "audit.id"),
    sqlite_with_rowid=False,
)
events = Table(
    "events",
    METADATA,
    _id(),
    _reference("patient_id", "patients.id"),
    Column("kind", Text, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("detail", Text, nullable=False),
    _reference("audit_id", "audit.id"),
    UniqueConstraint("patient_id", "kind", "at"),
)
notes = Table(
    "notes",
    METADATA,
    _id(),
    _reference("patient_id", "patients.id"),
    _reference("film_id", "films.id", nullable=True),
    Column("at", DateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    _reference("audit_id", "audit.id"),
    Index("ix_notes_patient_id", "patient_id"),
)
thumbnails = Table(
    "thumbnails",
    METADATA,
    Column("film_id", _ID, ForeignKey("films.id"), primary_key=True, autoincrement=False),
    Column("model_id", _ID, ForeignKey("models.id"), primary_key=True, autoincrement=False),
    Column("jpeg", LargeBinary, nullable=False),
)
erasing = Table("erasing", METADATA, Column("id", _ID, primary_key=True, autoincrement=False))
"""Holds a row only within the transaction that erases a patient: what the triggers look for."""
TABLES = (audit, patients, studies, films, models, scores, events, notes, thumbnails)
"""In an order in which rows can be inserted."""
