"""Runs migrations on the connection that `pneumoscore.records.migrate` hands over."""

from alembic import context

from pneumoscore.records.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
