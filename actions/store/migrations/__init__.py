"""Alembic migrations of the database, run by `infra.database.migrations.migrate`; not part of any action."""
