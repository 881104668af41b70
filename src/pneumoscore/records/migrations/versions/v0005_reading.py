"""The way in which a model's films became pixels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the column; of what was recorded before, it is not known."""
    op.add_column("models", sa.Column("reading", sa.Integer(), nullable=False, server_default="0"))
