"""Alembic migrations of the database, run by `infra.database.migrations.migrate`; not part of any action."""

from __future__ import annotations

from pathlib import Path

from alembic import op

# As the files have it.
_OUR_PATH = "SET search_path = pg_catalog, public, pg_temp"


def run_statements(migration: str) -> None:
    """Run the `.sql` file beside a migration, whose `__file__` is given, in the transaction that Alembic has begun.

    A function that says where it looks for our tables looks in the schema in which they are being made.
    """
    connection = op.get_bind()
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    statements = Path(migration).with_suffix(".sql").read_text().replace(_OUR_PATH, _OUR_PATH.replace("public", schema))
    # Over the driver: Alembic would take the `:` of a cast for a parameter. To the driver, `%` begins one.
    connection.exec_driver_sql(statements.replace("%", "%%"))
