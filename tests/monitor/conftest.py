"""Records on SQLite and on a real PostgreSQL server."""

from tests.fixtures.records import (  # noqa: F401
    errors,
    newer_model,
    place,
    postgresql_server,
    postgresql_url,
    record,
    records,
    second_postgresql_url,
)
