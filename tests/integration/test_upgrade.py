"""A database that release 0.1.0 left behind, brought up to date with what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infra.audit.rows import count_unsettled
from infra.database import migrations, queries
from tests.fixtures.postgres import Database, Server
from triggers.sweep.inbox import opened, replay

DUMP = Path(__file__).parents[1] / "data" / "database-0.1.0.sql"


@pytest.fixture
def upgraded(postgres_server: Server) -> Iterator[Database]:
    """The old database, migrated."""
    name = "left_by_0_1_0"
    postgres_server.administer(sql.SQL("CREATE DATABASE {} OWNER pixwhisk").format(sql.Identifier(name)))
    database = Database(postgres_server, name)
    with database.connect() as connection:
        connection.execute(DUMP.read_bytes())
    assert migrations.revision(database.url()) == "0003"
    migrations.migrate(database.url())
    yield database
    postgres_server.administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_every_row_keeps_its_state(upgraded: Database) -> None:
    """Under today's names; what had settled stays so."""
    with upgraded.connect("pixwhisk_sweep") as connection:
        found = connection.execute("SELECT key, state, reason FROM inbox ORDER BY id").fetchall()
    assert found == [
        ("settled", "settled", None),
        ("other-model", "pending", None),
        ("failed", "pending", "object-store-unreachable"),
        ("parked", "parked", "object-store-refused"),
        ("settled-after-failure", "settled", "object-store-unreachable"),
        ("claimed", "pending", None),
        (None, "parked", "bad-event"),
        ("fresh", "pending", None),
        ("ignored", "settled", None),
        ("backfilled", "pending", None),
    ]


def test_the_views_and_counts_are_right(upgraded: Database) -> None:
    """What `status` and `results` show, and what a backfill waits for."""
    with queries.connect(upgraded.url("pixwhisk_view")) as connection:
        work = connection.execute("SELECT state, count(*) AS count FROM work GROUP BY 1").fetchall()
        shown = connection.execute("SELECT key, model FROM current_results ORDER BY key").fetchall()
    assert {row["state"]: row["count"] for row in work} == {"pending": 5, "parked": 2}
    assert [tuple(row.values()) for row in shown] == [("settled", "lite0"), ("settled-after-failure", "lite0")]
    with queries.connect(upgraded.url()) as connection:
        counts = queries.counts(connection)
        unsettled = count_unsettled(connection, "images")
    assert [(model.name, model.active) for model in counts.models] == [("lite0", True), ("other", False)]
    assert (counts.pending, dict(counts.parked)) == (5, {"bad-event": 1, "object-store-refused": 1})
    assert (unsettled.pending, unsettled.parked) == (1, 0)


def test_what_was_owed_is_claimed(upgraded: Database) -> None:
    """By a sweep of today, and what was parked can be replayed."""
    with upgraded.connect() as connection:
        connection.execute("UPDATE inbox SET next_at = now()")
        assert replay(connection, "reason", "object-store-refused") == 1
    with opened(upgraded.url("pixwhisk_sweep"), timedelta(seconds=20)) as inbox:
        assert len(inbox.claim(100, timedelta(0))) == 6


def test_new_events_are_read_as_ever(upgraded: Database) -> None:
    """An event that is known settles at once, one that the active model has said nothing about does not."""
    with upgraded.connect() as connection:
        events = "INSERT INTO inbox (event_data) SELECT event_data FROM inbox WHERE key IN ('settled', 'other-model')"
        connection.execute(events + " ORDER BY id")
        found = connection.execute("SELECT key, state FROM inbox ORDER BY id DESC LIMIT 2").fetchall()
    assert found == [("other-model", "pending"), ("settled", "settled")]


def test_an_old_word_is_refused(upgraded: Database) -> None:
    """No program of the release before brings its states back."""
    with upgraded.connect() as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE inbox SET state = 'owed'")
