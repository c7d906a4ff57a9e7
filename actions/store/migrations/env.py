"""How Alembic reaches the database: over the connection that `infra.database.migrations` hands in."""

from __future__ import annotations

from alembic import context

from actions.store.schema import Base

given = context.config.attributes
context.configure(connection=given["connection"], target_metadata=Base.metadata, version_table=given["version_table"])
context.run_migrations()
