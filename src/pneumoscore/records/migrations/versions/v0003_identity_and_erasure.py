"""Who a patient is, what a film is, and a path for erasure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pneumoscore.records.migrations.append_only import protect, unprotect

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add issuer and birth date, hashes and offsets; let erasure pass the triggers."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    _patients(sqlite)
    for column in (
        sa.Column("utc_offset", sa.Integer()),
        sa.Column("acquired_by", sa.Text()),
        sa.Column("file_sha256", sa.Text()),
        sa.Column("pixel_sha256", sa.Text()),
    ):
        op.add_column("films", column)
    if sqlite:
        op.execute(
            "ALTER TABLE films ADD COLUMN duplicate_of INTEGER "
            "CONSTRAINT fk_films_duplicate_of REFERENCES films (id)"
        )
    else:
        op.add_column("films", sa.Column("duplicate_of", _ID))
        op.create_foreign_key("fk_films_duplicate_of", "films", "films", ["duplicate_of"], ["id"])
    op.create_index("ix_films_file_sha256", "films", ["file_sha256"])
    op.create_index("ix_films_duplicate_of", "films", ["duplicate_of"])
    op.create_table(
        "erasing",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasing"),
    )
    for table in ("audit", "scores", "notes"):
        unprotect(table)
        protect(table, but_for_erasure=True)


def _patients(sqlite: bool) -> None:
    op.add_column("patients", sa.Column("birth_date", sa.Date()))
    op.add_column("patients", sa.Column("issuer", sa.Text(), nullable=False, server_default=""))
    if not sqlite:
        op.drop_constraint("uq_patients_key", "patients")
        op.create_unique_constraint("uq_patients_key", "patients", ["key", "issuer"])
        return
    # SQLite cannot change a constraint; other tables refer to this one by name, which stays.
    # Foreign keys are off while records are migrated, and checked at the end.
    op.create_table(
        "patients_new",
        sa.Column("id", _ID, nullable=False, autoincrement=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False, server_default=""),
        sa.Column("sex", sa.Text()),
        sa.Column("birth_date", sa.Date()),
        sa.Column("calendar", sa.Boolean(), nullable=False),
        sa.Column("merged_into", _ID),
        sa.Column("audit_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
        sa.UniqueConstraint("key", "issuer", name="uq_patients_key"),
        sa.ForeignKeyConstraint(["merged_into"], ["patients.id"], name="fk_patients_merged_into"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_patients_audit_id"),
    )
    names = "id, key, issuer, sex, birth_date, calendar, merged_into, audit_id"
    op.execute(f"INSERT INTO patients_new ({names}) SELECT {names} FROM patients")
    op.execute("DROP TABLE patients")
    op.execute("ALTER TABLE patients_new RENAME TO patients")
