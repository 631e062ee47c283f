"""Run by Alembic for every migration, on the connection, in its open transaction, that dispatch.store.migrate gives."""

from alembic import context

from dispatch.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,  # SQLite's tables too are made in one transaction, which our own BEGIN has opened
)
with context.begin_transaction():
    context.run_migrations()
