"""Accounts, sessions, uploads and blinded reader studies of a site's server."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from pneumoscore.records.migrations.append_only import protect

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def _column(spec: str) -> "sa.Column[object]":
    """Return a column from ``name kind``; a question mark makes it nullable."""
    name, kind = spec.rstrip("?").split()
    kinds: dict[str, Any] = {
        "text": sa.Text(),
        "time": sa.DateTime(),
        "yes": sa.Boolean(),
        "int": sa.Integer(),
        "real": sa.Double(),
    }
    return sa.Column(name, kinds[kind], nullable=spec.endswith("?"))


def _table(
    name: str,
    columns: str,
    key: tuple[str, ...] = ("id",),
    unique: tuple[tuple[str, ...], ...] = (),
    **references: str,
) -> None:
    op.create_table(
        name,
        *(_column(spec.strip()) for spec in columns.split(",")),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        *(sa.UniqueConstraint(*part, name=f"uq_{name}_{part[0]}") for part in unique),
        *(
            sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_{name}_{column}")
            for column, target in references.items()
        ),
    )


def upgrade() -> None:
    """Add the tables."""
    _table(
        "accounts",
        "id text, name text, role text, password text?, issuer text?, subject text?, "
        "disabled yes, created_at time",
        unique=(("name",), ("issuer", "subject")),
    )
    _table(
        "sessions",
        "digest text, account_id text, csrf text, created_at time, seen_at time, expires_at time",
        key=("digest",),
        account_id="accounts",
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    _table(
        "api_tokens",
        "id text, digest text, account_id text, name text, scopes text, created_at time, "
        "expires_at time, revoked_at time?",
        unique=(("digest",),),
        account_id="accounts",
    )
    _table(
        "uploads",
        "id text, account_id text, name text, sha256 text, state text, result text?, "
        "created_at time, expires_at time",
        account_id="accounts",
    )
    op.create_index("ix_uploads_account_id", "uploads", ["account_id", "created_at"])
    op.create_index("ix_uploads_state", "uploads", ["state", "created_at"])
    _table(
        "reader_studies",
        "id text, name text, owner_id text, state text, options text, created_at time, "
        "opened_at time?, locked_at time?, unblinded_at time?",
        unique=(("name",),),
        owner_id="accounts",
    )
    _table(
        "reader_study_films",
        "id text, study_id text, position int, name text, patient text, taken_at time?, "
        "sha256 text, pixels_sha256 text, sop_instance_uid text?, example yes, model_scores text?",
        unique=(("study_id", "position"),),
        study_id="reader_studies",
    )
    for column in ("sha256", "pixels_sha256"):
        op.create_index(f"ix_reader_study_films_{column}", "reader_study_films", [column])
    _table(
        "reader_study_readers",
        "study_id text, account_id text, label text, done_at time?",
        key=("study_id", "account_id"),
        study_id="reader_studies",
        account_id="accounts",
    )
    _table(
        "reader_items",
        "id text, study_id text, account_id text, position int, film_id text, "
        "other_film_id text?, repeat yes",
        unique=(("study_id", "account_id", "position"),),
        study_id="reader_studies",
        account_id="accounts",
        film_id="reader_study_films",
        other_film_id="reader_study_films",
    )
    _table(
        "reader_sittings",
        "id text, study_id text, account_id text, started_at time, locked_at time?",
        study_id="reader_studies",
        account_id="accounts",
    )
    op.create_index("ix_reader_sittings_study_id", "reader_sittings", ["study_id", "account_id"])
    _table(
        "reader_ratings",
        "id text, item_id text, sitting_id text, number int, extent_right int?, extent_left int?, "
        "opacity_right int?, opacity_left int?, change int?, cannot_assess text?, comment text, "
        "seconds real, at time",
        unique=(("item_id", "number"),),
        item_id="reader_items",
        sitting_id="reader_sittings",
    )
    protect("reader_ratings")
