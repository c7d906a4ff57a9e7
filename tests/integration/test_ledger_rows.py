"""The database's side of an audit: page by page the same as at once."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.ledger import rows
from tests.fixtures.postgres import Database

Name = tuple[str, str]

keys = st.sampled_from(["a", "a/", "a/b", "ab", "b", "\U0001f43c", "\uffff", "%", "a%"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=2
)
names = st.sets(st.tuples(keys, st.sampled_from(["", "v1", "v2", "zz"])), max_size=12)


@pytest.fixture
def connection(database: Database) -> Iterator[rows.Connection]:
    with rows.opened(database.url()) as opened:
        opened.execute("ALTER TABLE inbox DISABLE TRIGGER USER")
        yield opened


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=names, owed=names, parked=names, prefix=st.sampled_from(["", "a", "a/", "%"]), after=st.just("") | keys)
def test_every_version_once_and_in_order(
    connection: rows.Connection,
    monkeypatch: pytest.MonkeyPatch,
    stored: set[Name],
    owed: set[Name],
    parked: set[Name],
    prefix: str,
    after: str,
) -> None:
    """Stored, owed or both; of one bucket, behind a key, with a prefix; whatever a page holds."""
    parked -= owed
    fill(connection, stored, owed, parked)
    wanted = sorted(
        (key, version) for key, version in stored | owed | parked if key.startswith(prefix) and (not after or key > after)
    )
    work = dict.fromkeys(owed, "owed") | dict.fromkeys(parked, "parked: x")
    for page in (2, 3, 1000):
        monkeypatch.setattr(rows, "PAGE", page)
        found = list(rows.recorded(connection, "images", prefix, after))
        assert [(each.key, each.version_id or "") for each in found] == wanted
        assert {(each.key, each.version_id or ""): each.work for each in found if each.work} == {
            name: work[name] for name in wanted if name in work
        }
        assert {each.etag for each in found if (each.key, each.version_id or "") in stored} <= {"stored"}
    for key in {key for key, _ in wanted}:
        assert rows.recorded_key(connection, "images", key) == [
            each for each in rows.recorded(connection, "images") if each.key == key
        ]


def fill(connection: rows.Connection, stored: set[Name], owed: set[Name], parked: set[Name]) -> None:
    connection.execute("TRUNCATE objects, inbox CASCADE")
    with connection.cursor() as cursor:
        for bucket in ("images", "others"):
            cursor.executemany(
                "INSERT INTO objects (bucket, key, version_id, etag) VALUES (%s, %s, %s, 'stored')",
                [(bucket, *name) for name in stored],
            )
        cursor.executemany(
            "INSERT INTO inbox (bucket, kind, key, version_id, etag, state, reason)"
            " VALUES ('images', 'created', %s, %s, 'owed', %s, %s)",
            [(*name, "owed", None) for name in owed] + [(*name, "parked", "x") for name in parked],
        )


def test_a_page_is_read_off_the_indexes(database: Database) -> None:
    """Without statistics, too: neither sorted nor gathered from all that is left."""
    place = {"bucket": "images", "prefix": "", "key": "k5", "version_id": "", "page": 10}
    with rows.opened(database.url()) as connection:
        connection.execute("INSERT INTO objects (bucket, key) SELECT 'images', 'k' || n FROM generate_series(1, 9999) n")
        with psycopg.ClientCursor(connection) as cursor:
            found = cursor.execute(f"EXPLAIN {rows.RECORDED}", place).fetchall()
    plan = "\n".join(row["QUERY PLAN"] for row in found)
    assert "Index Scan using objects_bucket_key_version_id_key on objects" in plan, plan
    assert "Index Scan using inbox_open on inbox" in plan, plan
    assert "Sort Key: objects" not in plan, plan
    assert "Sort Key: inbox.key" not in plan, plan
