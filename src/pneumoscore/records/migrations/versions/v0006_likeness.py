"""What tells a study's film in other files: the digest that the records have, and its likeness."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns; films of earlier studies have neither."""
    for name in ("film_digest", "likeness"):
        op.add_column("reader_study_films", sa.Column(name, sa.Text()))
