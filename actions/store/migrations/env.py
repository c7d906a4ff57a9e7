"""How Alembic reaches the database: over the connection that `infra.database.migrations` hands in."""

from __future__ import annotations

from alembic import context

from actions.store.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
