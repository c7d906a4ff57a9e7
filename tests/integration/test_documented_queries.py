"""The SQL that docs/operations.md shows, run as the role it is meant for."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from infra.services.postgres import Role
from tests.fixtures.postgres import Database

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()
BLOCKS = [each for each in re.findall(r"```sql\n(.*?)```", OPERATIONS, re.DOTALL) if "CREATE ROLE" not in each]
STATEMENTS = [each.strip() for block in BLOCKS for each in block.split(";") if each.strip()]
# An administrator's, of the database that is to be used.
ADMINISTRATION = [each for each in STATEMENTS if each.startswith("CREATE SCHEMA")]
STATEMENTS = [each for each in STATEMENTS if each not in ADMINISTRATION]
# What a sentence or a table says to run, in backticks.
STATEMENTS += list(re.findall(r"`(SELECT [^`]+)`", OPERATIONS))
VIEWS = ("results", "current_results", "labels", "work")


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: " ".join(text.split())[:60])
def test_it_runs(database: Database, statement: str) -> None:
    """Whatever is asked of the three views needs no more than the role `pixwhisk_view`; the inbox needs its owner."""
    role: Role = "pixwhisk" if "FROM inbox" in statement else "pixwhisk_view"
    with database.connect(role) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", ADMINISTRATION)
def test_an_administrator_runs_it(database: Database, statement: str) -> None:
    """It needs a role that may create in the database, which none of ours may where it is somebody's."""
    with psycopg.connect(database.server.postgres._superuser(database.name), autocommit=True) as connection:
        connection.execute(statement.encode())
        made = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'pixwhisk'").fetchone()
    assert made == (1,)


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_of_the_views_are_those_promised(connection: psycopg.Connection, view: str) -> None:
    """`current_results` has the columns of `results`."""
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", (view,)
    ).fetchall()
    promised = re.search(
        rf"- `{view.removeprefix('current_')}`: .*?`([a-z_]+(?:,\s+[a-z_0-9]+)+)`", OPERATIONS, re.DOTALL
    )
    assert promised
    assert [name for (name,) in found] == re.split(r",\s+", promised[1])
