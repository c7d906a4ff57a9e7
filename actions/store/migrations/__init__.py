"""Alembic migrations of the database, run by `infra.database.migrations.migrate`; not part of any action."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_statements(migration: str) -> None:
    """Run the `.sql` file beside a migration, whose `__file__` is given, in the transaction that Alembic has begun."""
    statements = Path(migration).with_suffix(".sql").read_text()
    # Over the driver: Alembic would take the `:` of a cast for a parameter. To the driver, `%` begins one.
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))
