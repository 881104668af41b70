"""Notes on patients and films, and thumbnails of films with their maps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pneumoscore.records.migrations.append_only import protect

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "notes",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("patient_id", _ID, nullable=False),
        sa.Column("film_id", _ID, nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("audit_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_notes_patient_id"),
        sa.ForeignKeyConstraint(["film_id"], ["films.id"], name="fk_notes_film_id"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_notes_audit_id"),
    )
    op.create_index("ix_notes_patient_id", "notes", ["patient_id"])
    op.create_table(
        "thumbnails",
        sa.Column("film_id", _ID, nullable=False, autoincrement=False),
        sa.Column("model_id", _ID, nullable=False, autoincrement=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("film_id", "model_id", name="pk_thumbnails"),
        sa.ForeignKeyConstraint(["film_id"], ["films.id"], name="fk_thumbnails_film_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_thumbnails_model_id"),
    )
    protect("notes")
