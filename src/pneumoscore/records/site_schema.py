"""Tables of a site's server: accounts, sessions, uploads and blinded reader studies.

Rows are named by random identifiers, so that none can be guessed from another. Ratings are
append-only: a reader who changes his mind before his sitting ends adds a row, and the last counts.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from pneumoscore.records.schema import METADATA

__all__ = [
    "SITE_TABLES",
    "accounts",
    "api_tokens",
    "outcomes",
    "reader_items",
    "reader_ratings",
    "reader_sittings",
    "reader_studies",
    "reader_study_films",
    "reader_study_readers",
    "sessions",
    "uploads",
]


def _key() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _of(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, ForeignKey(target), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime, nullable=nullable)


accounts = Table(
    "accounts",
    METADATA,
    _key(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("password", Text),
    Column("issuer", Text),
    Column("subject", Text),
    Column("disabled", Boolean, nullable=False),
    _time("created_at"),
    UniqueConstraint("issuer", "subject"),
)
sessions = Table(
    "sessions",
    METADATA,
    Column("digest", Text, primary_key=True),
    _of("account_id", "accounts.id"),
    Column("csrf", Text, nullable=False),
    _time("created_at"),
    _time("seen_at"),
    _time("expires_at"),
    Index("ix_sessions_account_id", "account_id"),
)
api_tokens = Table(
    "api_tokens",
    METADATA,
    _key(),
    Column("digest", Text, nullable=False, unique=True),
    _of("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", nullable=True),
)
uploads = Table(
    "uploads",
    METADATA,
    _key(),
    _of("account_id", "accounts.id"),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("result", Text),
    _time("created_at"),
    _time("expires_at"),
    Index("ix_uploads_account_id", "account_id", "created_at"),
    Index("ix_uploads_state", "state", "created_at"),
)
reader_studies = Table(
    "reader_studies",
    METADATA,
    _key(),
    Column("name", Text, nullable=False, unique=True),
    _of("owner_id", "accounts.id"),
    Column("state", Text, nullable=False),
    Column("options", Text, nullable=False),
    _time("created_at"),
    _time("opened_at", nullable=True),
    _time("locked_at", nullable=True),
    _time("unblinded_at", nullable=True),
)
reader_study_films = Table(
    "reader_study_films",
    METADATA,
    _key(),
    _of("study_id", "reader_studies.id"),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("taken_at", DateTime),
    Column("sha256", Text, nullable=False),
    Column("pixels_sha256", Text, nullable=False),
    Column("sop_instance_uid", Text),
    Column("example", Boolean, nullable=False),
    Column("model_scores", Text),
    Column("film_digest", Text),
    Column("likeness", Text),
    UniqueConstraint("study_id", "position"),
    Index("ix_reader_study_films_sha256", "sha256"),
    Index("ix_reader_study_films_pixels_sha256", "pixels_sha256"),
)
reader_study_readers = Table(
    "reader_study_readers",
    METADATA,
    Column("study_id", Text, ForeignKey("reader_studies.id"), primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("label", Text, nullable=False),
    _time("done_at", nullable=True),
)
reader_items = Table(
    "reader_items",
    METADATA,
    _key(),
    _of("study_id", "reader_studies.id"),
    _of("account_id", "accounts.id"),
    Column("position", Integer, nullable=False),
    _of("film_id", "reader_study_films.id"),
    _of("other_film_id", "reader_study_films.id", nullable=True),
    Column("repeat", Boolean, nullable=False),
    UniqueConstraint("study_id", "account_id", "position"),
)
reader_sittings = Table(
    "reader_sittings",
    METADATA,
    _key(),
    _of("study_id", "reader_studies.id"),
    _of("account_id", "accounts.id"),
    _time("started_at"),
    _time("locked_at", nullable=True),
    Index("ix_reader_sittings_study_id", "study_id", "account_id"),
)
reader_ratings = Table(
    "reader_ratings",
    METADATA,
    _key(),
    _of("item_id", "reader_items.id"),
    _of("sitting_id", "reader_sittings.id"),
    Column("number", Integer, nullable=False),
    Column("extent_right", Integer),
    Column("extent_left", Integer),
    Column("opacity_right", Integer),
    Column("opacity_left", Integer),
    Column("change", Integer),
    Column("cannot_assess", Text),
    Column("comment", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    _time("at"),
    UniqueConstraint("item_id", "number"),
)
outcomes = Table(
    "outcomes",
    METADATA,
    _key(),
    _time("at"),
    Column("model_sha256", Text, nullable=False),
    Column("patient", Text, nullable=False),
    Column("scores", Text, nullable=False),
    Column("flags", Text, nullable=False),
    Column("refused", Boolean, nullable=False),
    Index("ix_outcomes_model_sha256", "model_sha256", "at"),
)
"""What became of each film that was scored, to see a model drift. `patient` is a number that
nothing leads back from: it tells films of one patient, within one run of the server."""

SITE_TABLES = (
    accounts,
    sessions,
    api_tokens,
    uploads,
    reader_studies,
    reader_study_films,
    reader_study_readers,
    reader_items,
    reader_sittings,
    reader_ratings,
    outcomes,
)
"""In an order in which rows can be inserted."""
