"""Alembic migrations of the database, run by `infra.database.migrate`; not part of any action."""
