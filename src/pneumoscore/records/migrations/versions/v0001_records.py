"""Patients, studies, films, scores, events and the audit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pneumoscore.records.migrations.append_only import protect

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, nullable=False, autoincrement=False)


def _column(name: str, kind: sa.types.TypeEngine[Any], needed: bool = True) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=not needed)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def upgrade() -> None:
    """Make the tables."""
    _audit_and_patients()
    _studies_and_films()
    _models_and_scores()
    op.create_table(
        "events",
        _id(),
        _column("patient_id", _ID),
        _column("kind", sa.Text()),
        _column("at", sa.DateTime()),
        _column("detail", sa.Text()),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("patient_id", "kind", "at", name="uq_events_patient_id"),
        _reference("events", "patient_id", "patients.id"),
        _reference("events", "audit_id", "audit.id"),
    )
    protect("audit")
    protect("scores")


def _audit_and_patients() -> None:
    op.create_table(
        "audit",
        _id(),
        _column("at", sa.DateTime()),
        _column("actor", sa.Text()),
        _column("action", sa.Text()),
        _column("patient_id", _ID, needed=False),
        _column("details", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_patient_id", "audit", ["patient_id"])
    op.create_table(
        "patients",
        _id(),
        _column("key", sa.Text()),
        _column("sex", sa.Text(), needed=False),
        _column("calendar", sa.Boolean()),
        _column("merged_into", _ID, needed=False),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("key", name="uq_patients_key"),
        _reference("patients", "merged_into", "patients.id"),
        _reference("patients", "audit_id", "audit.id"),
    )


def _studies_and_films() -> None:
    op.create_table(
        "studies",
        _id(),
        _column("uid", sa.Text()),
        _column("patient_id", _ID),
        _column("moved", sa.Boolean()),
        _column("redated", sa.Boolean()),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
        sa.UniqueConstraint("uid", name="uq_studies_uid"),
        sa.UniqueConstraint("id", "patient_id", name="uq_studies_id"),
        _reference("studies", "patient_id", "patients.id"),
        _reference("studies", "audit_id", "audit.id"),
    )
    op.create_index("ix_studies_patient_id", "studies", ["patient_id"])
    op.create_table(
        "films",
        _id(),
        _column("uid", sa.Text()),
        _column("study_id", _ID),
        _column("patient_id", _ID),
        _column("taken_at", sa.DateTime()),
        _column("view", sa.Text(), needed=False),
        _column("file", sa.Text(), needed=False),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_films"),
        sa.UniqueConstraint("uid", name="uq_films_uid"),
        sa.ForeignKeyConstraint(
            ["study_id", "patient_id"],
            ["studies.id", "studies.patient_id"],
            name="fk_films_study_id",
            onupdate="CASCADE",
        ),
        _reference("films", "audit_id", "audit.id"),
    )
    op.create_index("ix_films_patient_id", "films", ["patient_id", "taken_at"])
    op.create_index("ix_films_study_id", "films", ["study_id"])


def _models_and_scores() -> None:
    op.create_table(
        "models",
        _id(),
        *(_column(name, sa.Text()) for name in ("name", "version", "backbone", "sha256")),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("sha256", name="uq_models_sha256"),
        _reference("models", "audit_id", "audit.id"),
    )
    op.create_table(
        "scores",
        _column("film_id", _ID),
        _column("model_id", _ID),
        _column("scale", sa.Text()),
        _column("value", sa.Double()),
        _column("raw", sa.Double()),
        _column("low", sa.Double(), needed=False),
        _column("high", sa.Double(), needed=False),
        _column("level", sa.Double()),
        _column("right", sa.Double(), needed=False),
        _column("left", sa.Double(), needed=False),
        _column("flags", sa.Text()),
        _column("audit_id", _ID),
        sa.PrimaryKeyConstraint("film_id", "model_id", "scale", name="pk_scores"),
        _reference("scores", "film_id", "films.id"),
        _reference("scores", "model_id", "models.id"),
        _reference("scores", "audit_id", "audit.id"),
        sqlite_with_rowid=False,
    )
