"""Alembic's door to our tables; `storage.versions` hands over the connection."""

from alembic import context

from hematovision.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
